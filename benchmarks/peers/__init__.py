"""Lorebot measured beside LlamaIndex and LangChain, see README.md."""
