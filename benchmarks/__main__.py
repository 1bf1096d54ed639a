"""`python -m benchmarks NAME`; processes that are started from here import this file again, and find nothing to do."""

if __name__ == "__main__":
    from training.interrupts import interrupts_told

    with interrupts_told():
        from benchmarks.commands import app
        from training.cli import main

        main(app)
