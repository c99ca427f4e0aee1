"""`python -m getmore_assets.cli`."""

from getmore_assets.cli import main

main(prog_name="getmore")
