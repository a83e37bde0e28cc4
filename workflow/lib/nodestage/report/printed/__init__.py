"""The paper's tables as files to print from, HTML and LaTeX, beside their TSV."""
