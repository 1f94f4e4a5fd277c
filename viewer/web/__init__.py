"""The web page that shows a run: a reader of the run's folder, in a process of its own.

    run folder -> follow.RunFollower -> world.World -> page.Page (one for each browser) -> viser

Data flows one way. The only thing that goes back is `runs.steering`: wishes, as files.
"""
