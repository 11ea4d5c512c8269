"""Voice-to-voice of a local Pipecat pipeline with its default settings; runs in Pipecat's own environment.

`python pipecat_peer.py QUESTIONS.json STT_DIR VOICE.onnx LLM_URL ROUNDS SYSTEM MAX_TOKENS`: one JSON list on stdout, of
milliseconds from the last speech sample to the first sound of each answer. Imports nothing of Solo.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import wave
from pathlib import Path

RATE = 16_000
CHUNK = 320
_ANSWER_WITHIN_S = 40.0
_SETTLE_S = 1.0

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1,localhost"}


async def measure(
    questions: list[dict], stt_dir: str, voice: str, url: str, rounds: int, system: str, most: int
) -> list[dict]:
    from pipecat.audio.vad.silero import SileroVADAnalyzer
    from pipecat.frames.frames import (
        BotStoppedSpeakingFrame,
        InputAudioRawFrame,
        LLMFullResponseEndFrame,
        TranscriptionFrame,
        TTSAudioRawFrame,
    )
    from pipecat.pipeline.pipeline import Pipeline
    from pipecat.pipeline.worker import PipelineParams, PipelineWorker
    from pipecat.processors.aggregators.llm_context import LLMContext
    from pipecat.processors.aggregators.llm_response_universal import (
        LLMContextAggregatorPair,
        LLMUserAggregatorParams,
    )
    from pipecat.processors.frame_processor import FrameDirection
    from pipecat.services.openai.llm import OpenAILLMService
    from pipecat.services.piper.tts import PiperTTSService
    from pipecat.services.whisper.stt import WhisperSTTService
    from pipecat.transcriptions.language import Language
    from pipecat.transports.base_input import BaseInputTransport
    from pipecat.transports.base_output import BaseOutputTransport
    from pipecat.transports.base_transport import TransportParams
    from pipecat.workers.runner import WorkerRunner

    class Microphone(BaseInputTransport):
        """The question that was put in, otherwise silence, at the pace at which it would be captured."""

        question: tuple[bytes, asyncio.Future] | None = None
        _task = None

        async def start(self, frame):
            await super().start(frame)
            await self.set_transport_ready(frame)
            self._task = self.create_task(self._run())

        async def cancel(self, frame):
            if self._task is not None:
                await self.cancel_task(self._task)
                self._task = None
            await super().cancel(frame)

        async def _run(self):
            began, count, sound, at = time.perf_counter(), 0, b"", 0
            while True:
                if at >= len(sound) and self.question is not None:
                    (sound, started), self.question, at = self.question, None, 0
                    started.set_result(began + count * 0.02)
                piece = sound[at : at + CHUNK * 2].ljust(CHUNK * 2, b"\0")
                at += CHUNK * 2
                count += 1
                await asyncio.sleep(max(0.0, began + count * 0.02 - time.perf_counter()))
                await self.push_audio_frame(InputAudioRawFrame(audio=piece, sample_rate=RATE, num_channels=1))

    class Loudspeaker(BaseOutputTransport):
        """Takes sound at the rate of a sound card."""

        _until = 0.0

        async def start(self, frame):
            await super().start(frame)
            await self.set_transport_ready(frame)

        async def write_audio_frame(self, frame) -> bool:
            begin = max(self._until, time.perf_counter())
            self._until = begin + len(frame.audio) / 2 / frame.num_channels / frame.sample_rate
            await asyncio.sleep(max(0.0, begin - time.perf_counter()))
            return True

    both = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    microphone, loudspeaker = Microphone(both), Loudspeaker(both)
    whisper = WhisperSTTService.Settings(model=stt_dir, language=Language.EN)
    stt = WhisperSTTService(device="cpu", compute_type="int8", settings=whisper)
    piper = PiperTTSService.Settings(voice=Path(voice).stem)
    tts = PiperTTSService(download_dir=Path(voice).parent, settings=piper)
    asked = OpenAILLMService.Settings(model="local", system_instruction=system, temperature=0.0, max_tokens=most)
    llm = OpenAILLMService(api_key="none", base_url=url, settings=asked)
    context = LLMContext()
    user, assistant = LLMContextAggregatorPair(
        context, user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    seen: dict[str, float] = {}
    heard: list[str] = []
    over = asyncio.Event()

    def tap(stage, look) -> None:
        push = stage.push_frame

        async def pushed(frame, direction=FrameDirection.DOWNSTREAM):
            look(frame)
            await push(frame, direction)

        stage.push_frame = pushed

    def note(name, kind, frame):
        if isinstance(frame, kind):
            seen.setdefault(name, time.perf_counter())

    tap(stt, lambda frame: heard.append(frame.text) if isinstance(frame, TranscriptionFrame) else None)
    tap(tts, lambda frame: note("audio", TTSAudioRawFrame, frame))
    tap(llm, lambda frame: note("end", LLMFullResponseEndFrame, frame))
    tap(loudspeaker, lambda frame: over.set() if isinstance(frame, BotStoppedSpeakingFrame) else None)
    pipeline = Pipeline([microphone, stt, user, llm, tts, loudspeaker, assistant])
    params = PipelineParams(audio_in_sample_rate=RATE, enable_metrics=True)
    worker = PipelineWorker(pipeline, params=params, idle_timeout_secs=None)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await asyncio.sleep(2.0)

    async def turn(question: dict) -> dict:
        context.set_messages([])
        seen.clear()
        heard.clear()
        over.clear()
        with wave.open(question["file"], "rb") as file:
            sound = file.readframes(file.getnframes())
        started: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        microphone.question = (sound, started)
        end = await started + question["end"] / RATE
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                while not ("end" in seen and over.is_set()):
                    over.clear()
                    await over.wait()
        except TimeoutError:
            pass
        await asyncio.sleep(_SETTLE_S)
        audio = seen.get("audio")
        return {"text": question["text"], "heard": " ".join(heard), "ms": audio and (audio - end) * 1000}

    await turn(questions[-1])  # its prompt is not that of the first one measured
    found = [await turn(question) for _ in range(rounds) for question in questions]
    await worker.cancel()
    async with asyncio.timeout(15):
        await asyncio.wait([running])
    return found


if __name__ == "__main__":
    index, stt_dir, voice, url, rounds, system, most = sys.argv[1:]
    asked = json.loads(Path(index).read_text())
    found = asyncio.run(measure(asked, stt_dir, voice, url, int(rounds), system, int(most)))
    sys.stdout.write("\n" + json.dumps(found))
    sys.stdout.flush()
    os._exit(0)
