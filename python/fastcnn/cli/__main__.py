"""`python -m fastcnn.cli` is `fastcnn`."""

from fastcnn.cli import main

main()
