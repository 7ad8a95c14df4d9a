"""Two graphs side by side, node by node, whatever their nodes and values are called."""
