"""`python -m benevolent` is `bth`, also where the package was not installed: a job of Ray gets it as a folder."""

from benevolent.orchestrator.cli.entry import main

if __name__ == "__main__":
    main()
