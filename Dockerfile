# pixelproof on a CPU with the versions of requirements.lock, for machines with Docker but without Python 3.11:
#   docker build --tag pixelproof .
#   docker run --init --rm pixelproof                    # `make repro` on the image's copy, discarded afterwards
#   docker run --init --rm --user "$(id -u):$(id -g)" --volume "$PWD:/repository" pixelproof       # on your own clone
#   docker run --init --rm --user ... --volume ... pixelproof bin/pixelproof --help                # another command
FROM python:3.11-slim-bookworm

# OpenCV's GUI build, which is in the lock too, is linked to libGL and GLib.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --no-install-recommends --yes git libgl1 libglib2.0-0 make \
    && rm -rf /var/lib/apt/lists/*

# PyPI's torch for x86-64 brings CUDA's libraries, several GB; PyTorch's own index has the same version for CPUs only.
# bin/setup compares the lock beside the interpreter with that of the repository.
COPY requirements.lock /opt/venv/requirements.lock
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --no-deps --index-url https://download.pytorch.org/whl/cpu \
        "$(grep '^torch==' /opt/venv/requirements.lock)" \
    && /opt/venv/bin/pip install --no-cache-dir --requirement /opt/venv/requirements.lock

# Any user (--user) gets a home to write to and a name, which torch asks for.
RUN useradd --create-home --uid 1000 pixelproof \
    && chmod 1777 /home/pixelproof \
    && install --directory --owner pixelproof --group pixelproof /repository
ENV HOME=/home/pixelproof \
    PATH=/opt/venv/bin:$PATH \
    PIXELPROOF_PYTHON=/opt/venv/bin/python \
    USER=pixelproof
USER 1000
WORKDIR /repository
COPY --chown=pixelproof:pixelproof . .
CMD ["make", "repro"]
