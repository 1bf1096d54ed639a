"""The answers of a SPARQL endpoint as a file: fetched once, then the same for every build, with or without network."""

from __future__ import annotations

import gzip
import logging
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import pyoxigraph as ox
import urllib3

from kg.errors import InputError
from kg.rdf.endpoint import Endpoint
from kg.rdf.rdf_file import write_as_nquads
from kg.storage.atomic import make_directory, write_file
from kg.storage.cache_directory import default_cache_directory
from kg.storage.kept import kept
from kg.storage.manifest import canonical, sha256
from kg.triples import is_iri

__all__ = ["snapshot_of"]

logger = logging.getLogger(__name__)

_FORMATS = {
    "application/n-triples": ox.RdfFormat.N_TRIPLES,
    "text/turtle": ox.RdfFormat.TURTLE,
    "application/rdf+xml": ox.RdfFormat.RDF_XML,
    "text/plain": ox.RdfFormat.N_TRIPLES,  # what N-Triples were called before 2014, and by some servers still are
}
_ACCEPT = "application/n-triples, text/turtle;q=0.9, application/rdf+xml;q=0.7"
_BUSY = (429, 500, 502, 503, 504)
_LONGEST_PAUSE = 120  # seconds, whatever a server wishes


def snapshot_of(
    endpoint: Endpoint, iris: Sequence[str], *, keep: Sequence[str] | None = None, refresh: bool = False
) -> Path:
    """Return a file of N-Triples with all that an endpoint answers about some IRIs.

    It lies in the cache under the hash of what was asked, so another build asks nobody. Finished requests are kept
    until the whole is there: a fetch that was cut off goes on where it stopped. Lines are sorted, and a blank node is
    told apart from those of other answers.

    Args:
        endpoint: Whom to ask, and what.
        iris: IRIs of the linked items.
        keep: Local names or whole IRIs of the predicates that matter: only what they reach is asked for its label.
        refresh: Ask again, even if the answers are there.

    Returns:
        Path of a `.nt.gz`.

    Raises:
        InputError: If the endpoint cannot be reached, refuses the query, or answers with something else than RDF.
    """
    asked = [endpoint.url, list(endpoint.queries(iris)), endpoint.page_size, None if keep is None else sorted(keep)]
    folder = default_cache_directory() / "endpoints"
    make_directory(folder)
    key = sha256(canonical(asked))[:32]
    snapshot, parts = folder / f"{key}.nt.gz", folder / f"{key}.parts"
    if refresh:
        shutil.rmtree(parts, ignore_errors=True)
    elif snapshot.exists():
        logger.info("%s is not asked again: its answers are in %s", endpoint.url, snapshot)
        return snapshot
    make_directory(parts)
    client = _Client(endpoint, parts)
    with kept(f"what {endpoint.url} has answered is kept in {parts}"):
        triples = client.ask_all(endpoint.queries(iris))
        if endpoint.query is None:
            triples |= client.ask_all(endpoint.queries(_reached(triples, keep) - set(iris), labels=True))
    lines = ox.serialize(triples, format=ox.RdfFormat.N_TRIPLES)
    assert lines is not None
    write_file(snapshot, gzip.compress(b"".join(sorted(lines.splitlines(keepends=True))), mtime=0))
    shutil.rmtree(parts)
    return snapshot


def _reached(triples: Iterable[ox.Triple], keep: Sequence[str] | None) -> set[str]:
    """Return the objects of predicates that are kept; a name in `keep` may be local, whole, or behind a prefix."""
    names = None if keep is None or any(name.endswith("*") for name in keep) else set(keep)
    local_names = {name.rpartition(":")[2] for name in names or () if "/" not in name}
    reached = set()
    for triple in triples:
        predicate = triple.predicate.value
        wanted = not names or predicate in names or predicate.replace("#", "/").rpartition("/")[2] in local_names
        if wanted and isinstance(triple.object, ox.NamedNode) and is_iri(triple.object.value):
            reached.add(triple.object.value)
    return reached


class _Client:
    """Sends queries, a page at a time; each answer is kept as a file as soon as it is there."""

    def __init__(self, endpoint: Endpoint, parts: Path) -> None:
        self.endpoint = endpoint
        self.parts = parts
        self.num_requests = 0
        # Reading queries may be repeated even though they are sent by POST, which has room for long ones.
        retry = urllib3.Retry(
            total=endpoint.retries,
            allowed_methods=None,
            status_forcelist=_BUSY,
            backoff_factor=endpoint.pause,
            backoff_max=_LONGEST_PAUSE,
            retry_after_max=_LONGEST_PAUSE,
            raise_on_status=False,
        )
        address = urlsplit(endpoint.url)
        proxy = None if proxy_bypass(address.hostname or "") else getproxies().get(address.scheme)
        timeout = urllib3.Timeout(total=endpoint.timeout)
        self.pool = (
            urllib3.PoolManager(retries=retry, timeout=timeout)
            if proxy is None
            else urllib3.ProxyManager(proxy, retries=retry, timeout=timeout)
        )

    def ask_all(self, queries: Iterable[str]) -> set[ox.Triple]:
        return {triple for query in queries for triple in self._pages(query)}

    def _pages(self, query: str) -> set[ox.Triple]:
        """Turn pages until one brings nothing new; a query of the user's own has none.

        LIMIT and OFFSET count solutions. Each solution of our queries is one triple, so the next page starts behind
        what came, even if the server gives fewer a page than it was asked for.
        """
        if self.endpoint.query is not None:
            return self._triples(query)
        together: set[ox.Triple] = set()
        while page := self._triples(f"{query}\nLIMIT {self.endpoint.page_size} OFFSET {len(together)}") - together:
            together |= page
        return together

    def _triples(self, query: str) -> set[ox.Triple]:
        key = sha256(query.encode())[:32]
        part = self.parts / f"{key}.nq"
        if not part.exists():
            self._fetch(query, part)

        def own(term: object) -> object:
            """Give blank nodes names of this answer: every answer names its own from the beginning."""
            return ox.BlankNode(f"r{key}x{term.value}") if isinstance(term, ox.BlankNode) else term

        triples = (quad.triple for quad in ox.parse(part.read_bytes(), format=ox.RdfFormat.N_QUADS, lenient=True))
        return {ox.Triple(own(one.subject), one.predicate, own(one.object)) for one in triples}  # type: ignore[arg-type]

    def _fetch(self, query: str, part: Path) -> None:
        url = self.endpoint.url
        self.num_requests += 1
        if self.num_requests == 1 or self.num_requests % 10 == 0:
            logger.info("%s is asked, request %d", url, self.num_requests)
        try:
            response = self.pool.request(
                "POST",
                url,
                fields={"query": query},
                encode_multipart=False,
                headers={"Accept": _ACCEPT, "User-Agent": "kgrec"},
            )
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise InputError(
                f"{url} cannot be asked ({type(reason).__name__}: {str(reason).rpartition(': ')[2]}); check the address and "
                "the network, give more timeout, or a file with an earlier answer"
            ) from None
        if response.status != 200:
            words = " ".join(response.data[:300].decode(errors="replace").split())
            raise InputError(f"{url} answers {response.status} {response.reason or ''}: {words}; correct the query")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in _FORMATS:
            raise InputError(
                f"{url} answers with {kind or 'an unnamed format'}; expected RDF ({', '.join(_FORMATS)}); is this the "
                "address of a SPARQL endpoint?"
            )
        raw, flat = part.with_suffix(".raw"), part.with_suffix(".flat")
        raw.write_bytes(response.data)
        try:
            # Servers send IRIs that are none; they are refused and counted where the snapshot is read.
            write_as_nquads(raw, _FORMATS[kind], flat, base=url, lenient=True)
        except InputError as error:
            problem = str(error).removeprefix(str(raw))
            raise InputError(f"{url} answers with {kind} that is not valid{problem}") from None
        flat.replace(part)
        raw.unlink()
