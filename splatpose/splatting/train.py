"""A training from the first step to the result on disk: checkpoints, measurement, rollback."""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from pathlib import Path

import numpy as np
import torch

from ..errors import SplatposeError
from ..events import EventSink, Message, TrainingStep
from ..interruption import interruptible
from ..render import choose_backend
from ..scene.splats import HeldOutScore, TrainedSplats
from ..scene.views import Views
from ..steering import Steering, SteeringSource, StoppedEarly, unsteered
from .camera_parameters import TrainableCameras
from .checkpoint import (
    UnusableCheckpoint,
    first_not_finite,
    load_checkpoint,
    save_checkpoint,
    training_identity,
)
from .config import TrainingConfig
from .device import StepClock, wait_for
from .finite_watch import Diverged, Losses
from .live import LiveView
from .off_path import measure_off_path
from .quality import mean_psnr, measure, told
from .result import PREVIEWS, save_result
from .trainer import Trainer

_CHECKPOINT = "checkpoint.pt"
_EVENT_SECONDS = 0.25
_CURVE_SAMPLES = 100
_MOST_ROLLBACKS = 2
_PAUSE_SECONDS = 0.2
_SAVING_SHARE = 0.02  # of the time: a checkpoint of a million Gaussians is most of a gigabyte


def train(
    views: Views,
    config: TrainingConfig,
    folder: Path,
    emit: EventSink,
    seed: int,
    cameras: TrainableCameras | None = None,
    steering: SteeringSource = unsteered,
) -> str | StoppedEarly:
    """Trains Gaussians on the views and leaves the result in `folder`.

    Args:
        views: undistorted photos with poses.
        config: how to train.
        folder: of this training alone; may hold the checkpoint to go on from.
        emit: receives `TrainingStep`s and messages.
        seed: of the order of photos and everything else random.
        cameras: moved along with the Gaussians, in place; without them poses stay as they are.
        steering: asked between two steps; decides when, never what.

    Returns:
        One line for a person.

    Raises:
        SplatposeError: no photo to train on, or the training diverged twice.
    """
    backend = choose_backend(config.backend)
    config = dataclasses.replace(config, backend=backend.name)
    trainer = Trainer(views, config, backend, seed, emit, cameras)
    identity = training_identity(views, config, seed)
    if cameras is not None:
        identity += cameras.identity()
    run = _Run(config, folder, emit, trainer, identity, steering)
    # Where cameras move, others measure what comes of it.
    if not run.num_held_out and cameras is None:
        text = "no photo is held out: all are trained on, and the quality cannot be measured"
        emit(Message("splats", text, "warning"))
    run.resume()
    with interruptible() as interrupted:
        for last in (config.steps, config.steps + run.final_steps):
            run.train_until(last, interrupted)
            run.measure_held_out()
    return run.finish()


class _Run:
    """A trainer with what surrounds it."""

    def __init__(
        self,
        config: TrainingConfig,
        folder: Path,
        emit: EventSink,
        trainer: Trainer,
        identity: str,
        steering: SteeringSource,
    ) -> None:
        self.config, self.folder, self.emit, self.trainer = config, folder, emit, trainer
        self.num_held_out = int(trainer.photos.held_out.sum())
        last_pass = self.num_held_out > 0 and not config.keep_holdout
        self.final_steps = config.final_steps if last_pass else 0
        self._identity = identity
        self._steering = steering
        self._clock = StepClock(functools.partial(wait_for, trainer.device))
        self._live = LiveView(folder, self._clock.read)
        self._stopped, self._unsound = False, set[str]()
        self._rollbacks, self._save_seconds = 0, 0.0
        self._last_event = self._last_save = time.perf_counter()
        self._clear()

    def resume(self) -> None:
        """Goes on from a checkpoint if there is a sound one; says why if there is not."""
        if self._load():
            self.emit(Message("splats", f"training goes on from step {self.trainer.step}"))

    def train_until(self, last: int, interrupted: threading.Event) -> None:
        """Trains until `last` steps are done, saving from time to time and when interrupted."""
        while self.trainer.step < last and not self._stopped:
            if self.scores is None and self.trainer.step == self.config.steps:
                self.measure_held_out()  # again, where the last pass went back to before it
            try:
                with self._clock.running():
                    loss = self.trainer.advance()
            except Diverged as error:
                self._roll_back(error)
                continue
            try:
                wishes = self._steering()
                self._report(loss, last, watched=wishes.watched)
                self._obey(wishes, interrupted)
                if interrupted.is_set():
                    raise KeyboardInterrupt
            except KeyboardInterrupt:
                # Between two steps, so the state is whole.
                self._save()
                raise
            pause = max(self.config.checkpoint_seconds, self._save_seconds / _SAVING_SHARE)
            if time.perf_counter() - self._last_save > pause:
                self._save()

    def measure_held_out(self) -> None:
        """Scores and pictures of the held-out photos, once, before any is trained on."""
        if self.scores is not None:
            return
        if self._stopped:
            self._save()  # as it was in the midst of things, for a later run to go on from
        self.trainer.bake_exposure()
        photos = self.trainer.photos
        self.scores = measure(photos, self.trainer.render_photo, self.folder / PREVIEWS)
        if self.scores:
            self._emit_step(self.curve[-1][2] if self.curve else 0.0, mean_psnr(self.scores))
        if self.final_steps and not self._stopped:
            self._save()

    def finish(self) -> str | StoppedEarly:
        """Writes the result, removes the checkpoint and sums up in one line.

        The checkpoint of a training that was told to stop stays.
        """
        assert self.scores is not None
        splats = self.trainer.splats()
        trained = TrainedSplats(
            splats=splats,
            held_out=self.scores,
            final_pass_on_all=self.trainer.step > self.config.steps,
            backend=self.config.backend,
            steps=self.trainer.step,
            curve=tuple(self.curve),
            previews_dir=self.folder / PREVIEWS,
            off_path=measure_off_path(splats, self.trainer.photos, self.trainer.backend),
        )
        save_result(self.folder, trained)
        self._live.close()
        quality = told(self.scores)
        summary = f"{len(trained.splats):,} Gaussians after {trained.steps} steps, {quality}"
        if self._stopped:
            return StoppedEarly(f"{summary}; stopped on request, the same command goes on")
        (self.folder / _CHECKPOINT).unlink(missing_ok=True)
        return summary

    def _obey(self, wishes: Steering, interrupted: threading.Event) -> None:
        """Does what those who look on ask for, between two steps."""
        if wishes.watched:
            self._live.write(self.trainer)
        if wishes.pause and not wishes.stop:
            wishes = self._pause(interrupted)
        # With NaN in it there is nothing to save; the next check goes back to before that.
        if wishes.stop and self.trainer.first_not_finite() is None:
            self.emit(Message("splats", f"training stops at step {self.trainer.step} as asked"))
            self._stopped = True
            if self.scores is not None:
                self._save()

    def _pause(self, interrupted: threading.Event) -> Steering:
        """Waits, with everything on disk, until nobody asks for it; returns what is asked then."""
        self._save()
        self._live.write(self.trainer, at_once=True)
        self.emit(Message("splats", f"training pauses at step {self.trainer.step} as asked"))
        wishes = self._steering()
        while wishes.pause and not wishes.stop and not interrupted.is_set():
            interrupted.wait(_PAUSE_SECONDS)
            wishes = self._steering()
        self.emit(Message("splats", "training goes on"))
        return wishes

    def _clear(self) -> None:
        self._clock.set(0.0)
        self.curve: list[tuple[int, float, float, int]] = []
        self.scores: tuple[HeldOutScore, ...] | None = None
        self._losses = Losses()

    def _report(self, loss: torch.Tensor, last: int, *, watched: bool) -> None:
        self._losses.add(loss)
        step = self.trainer.step
        if step % max(1, last // _CURVE_SAMPLES) == 0 or step == last:
            seconds = self._clock.read()
            mean = float(np.mean(self._losses.numbers()))
            self.curve.append((step, seconds, mean, len(self.trainer.model)))
            self._losses = Losses()
        every = self.config.measure_every
        if every and step % every == 0 and step < self.config.steps and self.num_held_out:
            self._clock.read()
            scores = measure(self.trainer.photos, self.trainer.render_photo)
            self._emit_step(float(loss), mean_psnr(scores))
        elif time.perf_counter() - self._last_event > _EVENT_SECONDS or step == last:
            self._clock.read()
            worth_it = watched and step < self.config.steps
            self._emit_step(float(loss), self._live.measure(self.trainer) if worth_it else None)

    def _emit_step(self, loss: float, psnr: float | None) -> None:
        self._last_event = time.perf_counter()
        trainer, total = self.trainer, self.config.steps + self.final_steps
        self.emit(
            TrainingStep(trainer.step, total, loss, len(trainer.model), trainer.image_size, psnr)
        )

    def _save(self) -> None:
        seconds, scores = self._clock.read(), self.scores
        self._last_save = start = time.perf_counter()
        state = {
            "trainer": self.trainer.state_dict(),
            "seconds": seconds,
            "rollbacks": self._rollbacks,
            "losses": self._losses.numbers(),
            "curve": [list(sample) for sample in self.curve],
            "scores": None if scores is None else [list(dataclasses.astuple(s)) for s in scores],
        }
        if (bad := first_not_finite(state)) is not None:
            if bad not in self._unsound:  # the last sound checkpoint stays
                self.emit(Message("splats", f"nothing is saved: {bad} is not finite", "warning"))
            self._unsound.add(bad)
            return
        save_checkpoint(self.folder / _CHECKPOINT, state, self._identity)
        self._save_seconds = time.perf_counter() - start

    def _load(self) -> bool:
        """Whether there was a sound checkpoint and it is now the state."""
        path = self.folder / _CHECKPOINT
        try:
            state = load_checkpoint(path, self._identity, self.trainer.device)
        except FileNotFoundError:
            return False
        except UnusableCheckpoint as error:
            text = f"{path.name} of the interrupted training is not used because {error}"
            self.emit(Message("splats", f"{text}; training starts from the beginning", "warning"))
            return False
        self.trainer.load_state_dict(state["trainer"])
        self._clock.set(state["seconds"])
        self._rollbacks = max(self._rollbacks, state["rollbacks"])
        self._losses = Losses(state["losses"])
        self.curve = [(s, t, loss, n) for s, t, loss, n in state["curve"]]
        if state["scores"] is not None:
            self.scores = tuple(HeldOutScore(*score) for score in state["scores"])
        return True

    def _roll_back(self, error: Diverged) -> None:
        self._rollbacks += 1
        if self._rollbacks > _MOST_ROLLBACKS:
            raise SplatposeError(
                f"Training diverged: {error} became NaN or infinite at step {self.trainer.step}, "
                f"also with learning rates lowered {_MOST_ROLLBACKS} times.",
                "Use the learning rates of a preset; if they were, report it with report.json.",
            ) from error
        step, damping = self.trainer.step, 0.5**self._rollbacks
        if self._load():
            self.trainer.damping = damping
        else:
            self.trainer.restart(damping)
            self._clear()
        text = (
            f"{error} became NaN or infinite at step {step}: back to step {self.trainer.step} "
            f"with learning rates multiplied by {damping:g}"
        )
        self.emit(Message("splats", text, "warning"))
