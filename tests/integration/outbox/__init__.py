"""Who is told of a cart's end, and how it is delivered."""
