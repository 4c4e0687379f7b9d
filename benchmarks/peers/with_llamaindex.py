"""LlamaIndex: `IngestionPipeline` with a document store and Chroma, searched by its fusion retriever.

https://developers.llamaindex.ai/python/examples/ingestion/document_management_pipeline and
https://developers.llamaindex.ai/python/examples/retrievers/bm25_retriever: upserts with deletion, reciprocal
rank fusion of Chroma and BM25 without a language model. The splitter is sized to the embedding model (256
tokens, an overlap of 20); its default of 1,024 would be embedded only in part. The pipeline's cache is off,
which doubles what is written and never hits where the document store has not. The BM25 index cannot be
changed, so it is built from the nodes in Chroma whenever the search is opened.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import chromadb
from chromadb.config import Settings as ChromaSettings
from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
from llama_index.core.schema import BaseNode, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.retrievers.bm25 import BM25Retriever
from llama_index.vector_stores.chroma import ChromaVectorStore, base

from benchmarks.peers.system import LIMIT, Passage, Span, run

_BATCH = 1000


class LlamaIndex:
    """See `benchmarks.peers.system.System`."""

    def __init__(self, state: Path, model: Path) -> None:
        self._docstore_file = state / "docstore.json"
        self._embedding = HuggingFaceEmbedding(
            model_name=str(model), device="cpu", embed_batch_size=32, normalize=True
        )
        client = chromadb.PersistentClient(
            str(state / "chroma"), settings=ChromaSettings(anonymized_telemetry=False)
        )
        collection = client.get_or_create_collection(
            "passages", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
        self._collection = collection
        # Its own limit is larger than what Chroma takes.
        base.MAX_CHUNK_SIZE = client.get_max_batch_size()
        self._store = ChromaVectorStore(chroma_collection=collection)

    def sync(self, documents: Path) -> None:
        held = self._docstore_file
        docstore = (
            SimpleDocumentStore.from_persist_path(str(held)) if held.exists() else SimpleDocumentStore()
        )
        pipeline = IngestionPipeline(
            transformations=[SentenceSplitter(chunk_size=256, chunk_overlap=20), self._embedding],
            vector_store=self._store,
            docstore=docstore,
            docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
            disable_cache=True,
        )
        reader = SimpleDirectoryReader(str(documents), filename_as_id=True, required_exts=[".md"])
        pipeline.run(documents=reader.load_data())
        docstore.persist(str(held))

    def fill(self, passages: Iterable[Passage]) -> None:
        remaining = iter(passages)
        while batch := list(islice(remaining, _BATCH)):
            self._store.add([_node(passage) for passage in batch])

    def open(self) -> None:
        index = VectorStoreIndex.from_vector_store(self._store, embed_model=self._embedding)
        by_words = BM25Retriever.from_defaults(nodes=self._nodes(), similarity_top_k=LIMIT)
        self._retriever = QueryFusionRetriever(
            [index.as_retriever(similarity_top_k=LIMIT), by_words],
            llm=MockLLM(),
            mode=FUSION_MODES.RECIPROCAL_RANK,
            similarity_top_k=LIMIT,
            num_queries=1,
            use_async=False,
        )

    def search(self, question: str) -> list[Span]:
        return [_span(found.node) for found in self._retriever.retrieve(question)]

    def spans(self) -> list[Span]:
        return [_span(node) for node in self._nodes()]

    def _nodes(self) -> list[BaseNode]:
        nodes: list[BaseNode] = []
        # Chroma refuses to give many records at once: one SQL variable each.
        while ids := self._collection.get(include=[], limit=_BATCH, offset=len(nodes))["ids"]:
            nodes += self._store.get_nodes(node_ids=ids)
        return nodes


def _node(passage: Passage) -> TextNode:
    node = TextNode(
        text=f"{passage.heading}\n\n{passage.text}",
        metadata={"file_name": passage.uri},
        embedding=list(passage.vector),
    )
    node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=passage.uri)
    return node


def _span(node: BaseNode) -> Span:
    return Span(str(node.metadata["file_name"]), node.start_char_idx or 0, node.end_char_idx or 0)


if __name__ == "__main__":
    run(LlamaIndex)
