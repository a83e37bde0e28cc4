# nodestage with all its packages, for a hospital or cluster that runs containers. Built from a clone, or from a
# packet's folder `nodestage`; GPUs: docker run --gpus all.
#
#   docker build --tag nodestage .
#   docker run --rm --network none --user "$(id -u):$(id -g)" --volume "$PWD/../:/packet" nodestage \
#       score STUDY=/packet/study BUNDLE=/packet/bundle
FROM python:3.11-slim-bookworm
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc g++ git make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/nodestage
COPY . .
# The packages, and the compiled parts of the registration, are made once, as the image is built.
RUN make .venv/ready PYTHON=python3.11 && chmod -R a+rwX /opt/nodestage
# Where whoever runs it has no home of their own.
ENV HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib NUMBA_CACHE_DIR=/tmp/numba
ENTRYPOINT ["make"]
CMD ["help"]
