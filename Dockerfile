# docker build --tag jundscan .
# docker run --rm --volume "$PWD:/data" --user "$(id -u):$(id -g)" jundscan scan genome.fa -o hits.bed
FROM python:3.13-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY jundscan jundscan
COPY exported/jund-2 exported/jund-2
RUN python -m pip install --no-cache-dir build --constraint constraints.txt \
    && python -m build --wheel --outdir /wheel
RUN python -m venv /opt/jundscan \
    && wheel="$(echo /wheel/*.whl)" \
    && /opt/jundscan/bin/python -m pip install --no-cache-dir "${wheel}[cpu,hts,report,plots]" --constraint constraints.txt

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="jundscan" \
      org.opencontainers.image.description="Where the transcription factor JUND binds, from DNA sequence and chromatin accessibility" \
      org.opencontainers.image.source="https://github.com/jundscan/jundscan" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/jundscan /opt/jundscan
# any user may run the image, so caches are where any user may write
ENV PATH="/opt/jundscan/bin:$PATH" MPLCONFIGDIR=/tmp/matplotlib
RUN useradd --uid 1000 --create-home jundscan
USER jundscan
WORKDIR /data
ENTRYPOINT ["jundscan"]
CMD ["--help"]
