# PyRadiomics 3.0.1 has no wheel for Python 3.11, and its build needs the numpy that is already
# here; pip's requirement files, and so an environment's `pip:` section, have no option for that.
set -e
pip install --no-build-isolation pyradiomics==3.0.1
