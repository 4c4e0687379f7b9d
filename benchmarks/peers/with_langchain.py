"""LangChain: `index()` with its record manager and Chroma, searched by its ensemble retriever.

https://docs.langchain.com/oss/python/langchain/knowledge-base and the API reference of
`langchain_core.indexing.index`: the recursive splitter with 1,000 characters and an overlap of 200 (about 200
words: the size of ours), cleanup "full", which is what removes deleted files, and an ensemble of Chroma and
BM25 with equal weights. The BM25 index is held in memory only, so it is built from the texts in Chroma
whenever the search is opened.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import chromadb
from chromadb.config import Settings as ChromaSettings
from langchain_chroma import Chroma
from langchain_classic.indexes import SQLRecordManager, index
from langchain_classic.retrievers import EnsembleRetriever
from langchain_community.document_loaders import DirectoryLoader, TextLoader
from langchain_community.retrievers import BM25Retriever
from langchain_core.documents import Document
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter

from benchmarks.peers.system import LIMIT, Passage, Span, run

_BATCH = 1000


class LangChain:
    """See `benchmarks.peers.system.System`."""

    def __init__(self, state: Path, model: Path) -> None:
        embedding = HuggingFaceEmbeddings(
            model_name=str(model),
            model_kwargs={"device": "cpu"},
            encode_kwargs={"normalize_embeddings": True, "batch_size": 32},
        )
        client = chromadb.PersistentClient(
            str(state / "chroma"), settings=ChromaSettings(anonymized_telemetry=False)
        )
        self._collection = client.get_or_create_collection(
            "passages", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
        self._store = Chroma("passages", embedding_function=embedding, client=client)
        self._records = SQLRecordManager("chroma/passages", db_url=f"sqlite:///{state / 'records.sqlite'}")
        self._records.create_schema()

    def sync(self, documents: Path) -> None:
        loader = DirectoryLoader(
            str(documents), glob="**/*.md", loader_cls=TextLoader, loader_kwargs={"encoding": "utf-8"}
        )
        splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200, add_start_index=True)
        index(
            splitter.split_documents(loader.load()),
            self._records,
            self._store,
            cleanup="full",
            source_id_key="source",
            key_encoder="blake2b",
        )

    def fill(self, passages: Iterable[Passage]) -> None:
        # The vector store would embed the texts itself, so they go into its collection beside it.
        remaining = enumerate(passages)
        while batch := list(islice(remaining, _BATCH)):
            self._collection.upsert(
                ids=[str(number) for number, _ in batch],
                embeddings=[list(passage.vector) for _, passage in batch],
                documents=[f"{passage.heading}\n\n{passage.text}" for _, passage in batch],
                metadatas=[{"source": passage.uri, "start_index": 0} for _, passage in batch],
            )

    def open(self) -> None:
        by_words = BM25Retriever.from_documents(self._documents(), k=LIMIT)
        by_meaning = self._store.as_retriever(search_kwargs={"k": LIMIT})
        self._retriever = EnsembleRetriever(retrievers=[by_words, by_meaning], weights=[0.5, 0.5])

    def search(self, question: str) -> list[Span]:
        return [_span(found) for found in self._retriever.invoke(question)[:LIMIT]]

    def spans(self) -> list[Span]:
        return [_span(document) for document in self._documents()]

    def _documents(self) -> list[Document]:
        found: list[Document] = []
        # Chroma refuses to give many records at once: one SQL variable each.
        while True:
            held = self._store.get(include=["documents", "metadatas"], limit=_BATCH, offset=len(found))
            if not held["ids"]:
                return found
            found += (
                Document(page_content=text, metadata=metadata)
                for text, metadata in zip(held["documents"], held["metadatas"], strict=True)
            )


def _span(document: Document) -> Span:
    start = int(document.metadata["start_index"])
    return Span(Path(document.metadata["source"]).name, start, start + len(document.page_content))


if __name__ == "__main__":
    run(LangChain)
