"""Generation on a server with the OpenAI-compatible API: vLLM, llama.cpp, Ollama, TGI, or a hosted model."""
