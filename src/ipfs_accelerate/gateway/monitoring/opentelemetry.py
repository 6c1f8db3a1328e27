"""Metrics and spans after OpenTelemetry's conventions for generative AI; its one home.

Source: opentelemetry.io/docs/specs/semconv/gen-ai (client spans and metrics).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import MissingExtraError
from ipfs_accelerate.gateway.messages import Operation

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ipfs_accelerate.gateway.records import CallRecord

__all__ = ["OpenTelemetryObserver"]

_SCOPE = "ipfs_accelerate.gateway"
_OPERATIONS = {
    Operation.CHAT: "chat",
    Operation.COMPLETION: "text_completion",
    Operation.EMBEDDING: "embeddings",
    Operation.RERANK: "rerank",
}
#: How the conventions call services whose name here is another.
_SYSTEMS = {"gemini": "gcp.gemini"}


class OpenTelemetryObserver:
    """An observer that reports each call to the providers of the application.

    Args:
        tracer_provider: The global one when ``None``.
        meter_provider: Likewise.

    Raises:
        MissingExtraError: OpenTelemetry's API is not installed.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError as error:
            raise MissingExtraError(
                "otel", needed_for="reports to OpenTelemetry", module="opentelemetry"
            ) from error
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
        self._duration = meter.create_histogram("gen_ai.client.operation.duration", unit="s")
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", unit="{token}")

    def __call__(self, record: CallRecord) -> None:
        """Report a call that has ended."""
        attributes = _attributes(record)
        self._duration.record(record.elapsed_ns / 1e9, attributes)
        usage = record.usage
        if usage is not None:
            for kind, count in (
                ("input", usage.prompt_tokens),
                ("output", usage.completion_tokens),
            ):
                if count is not None:
                    self._tokens.record(count, {**attributes, "gen_ai.token.type": kind})
        self._span(record, attributes)

    def _span(self, record: CallRecord, attributes: dict[str, str]) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode

        end_ns = round(datetime.now(UTC).timestamp() * 1e9)
        span = self._tracer.start_span(
            f"{attributes['gen_ai.operation.name']} {record.route}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=end_ns - record.elapsed_ns,
        )
        span.set_attribute("ipfs_accelerate.request_id", record.request_id)
        span.set_attribute("ipfs_accelerate.attempts", len(record.attempts))
        if record.usage is not None and record.usage.prompt_tokens is not None:
            span.set_attribute("gen_ai.usage.input_tokens", record.usage.prompt_tokens)
        if record.usage is not None and record.usage.completion_tokens is not None:
            span.set_attribute("gen_ai.usage.output_tokens", record.usage.completion_tokens)
        if record.outcome != "ok":
            span.set_status(Status(StatusCode.ERROR, record.outcome))
        span.end(end_ns)


def _attributes(record: CallRecord) -> dict[str, str]:
    attributes = {
        "gen_ai.operation.name": _OPERATIONS[record.operation],
        "gen_ai.request.model": record.route,
    }
    answered = next((one for one in record.attempts if one.outcome == "ok"), None)
    if answered is not None:
        attributes["gen_ai.provider.name"] = _SYSTEMS.get(answered.provider, answered.provider)
        attributes["gen_ai.response.model"] = answered.model
    if record.outcome != "ok":
        attributes["error.type"] = record.outcome
    return attributes
