# Two images: `worker` (CPU, for all processes but the engines) and `engine` (vLLM with CUDA).

FROM python:3.11-slim-bookworm AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TOKENIZERS_PARALLELISM=false
# volumes that are mounted at these folders take their owner over
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin adaqueue \
    && install --directory --owner=adaqueue --group=adaqueue --mode=0700 \
        /home/adaqueue/.cache /run/adaqueue-sandboxes
WORKDIR /srv/adaqueue

# what adaqueue needs is installed before adaqueue, so that a change of code leaves these layers as they are
FROM base AS requirements
RUN python -m venv /opt/venv
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
    > requirements.txt

FROM requirements AS worker-packages
# PyPI's own torch is the CUDA build, some gigabytes larger
RUN pip install --no-cache-dir --constraint constraints.txt \
        --index-url https://download.pytorch.org/whl/cpu torch \
    && pip install --no-cache-dir --constraint constraints.txt --requirement requirements.txt
COPY README.md LICENSE ./
COPY adaqueue adaqueue
COPY workers workers
COPY migrations migrations
RUN pip install --no-cache-dir --no-deps .

FROM requirements AS engine-packages
# the version that the tests run on the CPU; its exact pins, torch among them, are not those of constraints.txt
RUN pip install --no-cache-dir --requirement requirements.txt vllm==0.32.0
COPY README.md LICENSE ./
COPY adaqueue adaqueue
COPY workers workers
COPY migrations migrations
RUN pip install --no-cache-dir --no-deps .

FROM base AS worker
COPY --from=worker-packages /opt/venv /opt/venv
# for `alembic upgrade head`
COPY alembic.ini ./
COPY migrations migrations
USER adaqueue
CMD ["adaqueue", "--help"]

FROM base AS engine
# the one image with compilers: Triton and FlashInfer, below vLLM, compile small C and C++ files when they run
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc g++ libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY --from=engine-packages /opt/venv /opt/venv
USER adaqueue
CMD ["python", "-m", "workers.engine"]
