# erkt predict, erkt embed and erkt app with nothing else: no torch, no root, no network at run time.
#
#   docker build -t erkt .
#   docker run --rm --network none -v "$PWD:/work" --user "$(id -u)" erkt predict student.onnx scenes --out out.csv
#   docker run --rm -v "$PWD:/work:ro" --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 erkt

FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY erkt erkt
RUN python -m venv /opt/erkt
RUN /opt/erkt/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt '.[app]'
RUN /opt/erkt/bin/pip uninstall --yes --quiet pip setuptools

FROM python:3.11-slim
COPY --from=build /opt/erkt /opt/erkt
ENV PATH=/opt/erkt/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /work
EXPOSE 8000
ENTRYPOINT ["erkt"]
CMD ["app", "student.onnx", "--host", "0.0.0.0", "--allow-host", "localhost"]
