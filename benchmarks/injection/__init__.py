"""How well Lorebot withstands poisoned documents and messages."""
