using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using FastRelay.Config;
using FastRelay.Journal;

namespace FastRelay.Host.Commands;

/// <summary>Prints what the inspector finds: lines for people, or one JSON object a line.</summary>
/// <param name="output">Takes the lines.</param>
/// <param name="json">JSON instead of text.</param>
/// <param name="summary">Leaves groups and records out.</param>
internal sealed class JournalPrinter(TextWriter output, bool json, bool summary) : IJournalVisitor
{
    private readonly ArrayBufferWriter<byte> _buffer = new();
    private readonly SortedDictionary<string, long> _kinds = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, long> _conditions = new(StringComparer.Ordinal);
    private long _segments;
    private long _damagedBodies;

    /// <inheritdoc/>
    public void Segment(in InspectedSegment segment)
    {
        _segments++;
        string opened = Time(segment.OpenedUnixMs);
        if (json)
        {
            InspectedSegment s = segment;
            Object(w =>
            {
                w.WriteString("segment", s.Path);
                w.WriteString("header", s.Header);
                w.WriteNumber("number", s.Number);
                w.WriteNumber("epoch", s.Epoch);
                w.WriteNumber("firstGroup", s.FirstGroup);
                w.WriteNumber("fileBytes", s.FileBytes);
                w.WriteNumber("sealedEnd", s.SealedEnd);
                w.WriteString("opened", opened);
            });
            return;
        }
        string end = segment.SealedEnd > 0 ? $"sealed at {segment.SealedEnd}" : "open";
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"segment {segment.Number}  {segment.Path}  header {segment.Header}  {ConfigText.ShowSize(segment.FileBytes)}  {end}  opened {opened}"));
    }

    /// <inheritdoc/>
    public void Group(in InspectedGroup group)
    {
        Count(_conditions, group.Condition);
        if (summary)
        {
            return;
        }
        if (json)
        {
            InspectedGroup g = group;
            Object(w =>
            {
                w.WriteNumber("group", g.Number);
                w.WriteNumber("offset", g.Offset);
                w.WriteNumber("bytes", g.Bytes);
                w.WriteNumber("records", g.Records);
                w.WriteString("condition", g.Condition);
            });
            return;
        }
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"  group {group.Number}  at {group.Offset}  {group.Bytes} bytes  {group.Records} records  {group.Condition}"));
    }

    /// <inheritdoc/>
    public void Record(in InspectedRecord record)
    {
        Count(_kinds, record.Kind);
        bool damaged = !record.Body.IsEmpty && !record.BodyIsIntact;
        _damagedBodies += damaged ? 1 : 0;
        if (summary)
        {
            return;
        }
        if (json)
        {
            RecordJson(record, damaged);
            return;
        }
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"    {record.Kind,-8} {record.Id}  {record.Bytes} bytes");
        if (record.TryGetMessage(out Envelope envelope, out long bodyLength, out int chunks, out MessageId settles))
        {
            text.Append(CultureInfo.InvariantCulture, $"  {Time(envelope.ArrivalUnixMs)}  <{Text(envelope.ReversePath)}>  body {bodyLength}");
            text.Append(envelope.Tenant.IsEmpty ? "" : $"  tenant {Text(envelope.Tenant)}");
            text.Append(envelope.Priority == MailPriority.Normal ? "" : $"  {envelope.Priority.Word()} priority");
            text.Append(chunks > 0 ? FormattableString.Invariant($" in {chunks} chunks and this") : "");
            text.Append(settles.Value > 0 ? $"  settles recipients of {settles}" : "");
            foreach (EnvelopeRecipient recipient in envelope)
            {
                text.Append(CultureInfo.InvariantCulture, $"\n             {recipient.Index} <{Text(recipient.Mailbox)}>");
            }
        }
        else if (record.TryGetOutcome(out int recipients, out int attempts, out long nextDueUnixMs, out ReadOnlySpan<byte> reason))
        {
            text.Append(CultureInfo.InvariantCulture, $"  attempt {attempts}");
            for (int i = 0; i < recipients; i++)
            {
                RecipientOutcome outcome = record.OutcomeOf(i);
                text.Append(CultureInfo.InvariantCulture, $"  {outcome.Index} {Name(outcome.Result)}");
            }
            text.Append(nextDueUnixMs > 0 ? $"  next {Time(nextDueUnixMs)}" : "");
            text.Append(reason.IsEmpty ? "" : "  " + Text(reason));
            text.Append(record.Move.Target.IsEmpty ? "" : record.Move.IsBounce ? $"  to be bounced since {Time(record.Move.UnixMs)}" : $"  moved to {Text(record.Move.Target)} at {Time(record.Move.UnixMs)}");
        }
        text.Append(damaged ? "  BODY DAMAGED" : "");
        output.WriteLine(text.ToString());
    }

    /// <inheritdoc/>
    public void Unreadable(long offset, long bytes)
    {
        if (summary)
        {
            return;
        }
        if (json)
        {
            Object(w =>
            {
                w.WriteString("kind", "unreadable");
                w.WriteNumber("offset", offset);
                w.WriteNumber("bytes", bytes);
            });
            return;
        }
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    unreadable  {bytes} bytes at {offset}"));
    }

    /// <inheritdoc/>
    public void Note(string text)
    {
        if (json)
        {
            Object(w => w.WriteString("note", text));
            return;
        }
        output.WriteLine(text);
    }

    /// <summary>Totals, for people.</summary>
    public void End()
    {
        if (json)
        {
            return;
        }
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{_segments} segments; groups: {List(_conditions)}; records: {List(_kinds)}; damaged bodies: {_damagedBodies}"));
    }

    private void RecordJson(in InspectedRecord record, bool damaged)
    {
        using (var w = new Utf8JsonWriter(_buffer))
        {
            w.WriteStartObject();
            w.WriteString("kind", record.Kind);
            w.WriteString("id", record.Id.ToString());
            w.WriteNumber("offset", record.Offset);
            w.WriteNumber("bytes", record.Bytes);
            if (record.TryGetMessage(out Envelope envelope, out long bodyLength, out int chunks, out MessageId settles))
            {
                w.WriteString("arrived", Time(envelope.ArrivalUnixMs));
                w.WriteString("sender", Encoding.UTF8.GetString(envelope.ReversePath));
                w.WriteString("peer", Encoding.UTF8.GetString(envelope.Peer));
                if (!envelope.Tenant.IsEmpty)
                {
                    w.WriteString("tenant", Encoding.UTF8.GetString(envelope.Tenant));
                }
                if (envelope.Priority != MailPriority.Normal)
                {
                    w.WriteString("priority", envelope.Priority.Word());
                }
                w.WriteNumber("bodyBytes", bodyLength);
                w.WriteNumber("chunks", chunks);
                if (settles.Value > 0)
                {
                    w.WriteString("settles", settles.ToString());
                }
                w.WriteStartArray("recipients");
                foreach (EnvelopeRecipient recipient in envelope)
                {
                    w.WriteStringValue(Encoding.UTF8.GetString(recipient.Mailbox));
                }
                w.WriteEndArray();
            }
            else if (record.TryGetOutcome(out int recipients, out int attempts, out long nextDueUnixMs, out ReadOnlySpan<byte> reason))
            {
                w.WriteNumber("attempts", attempts);
                w.WriteStartObject("outcomes");
                for (int i = 0; i < recipients; i++)
                {
                    RecipientOutcome outcome = record.OutcomeOf(i);
                    w.WriteString(outcome.Index.ToString(CultureInfo.InvariantCulture), Name(outcome.Result));
                }
                w.WriteEndObject();
                if (nextDueUnixMs > 0)
                {
                    w.WriteString("next", Time(nextDueUnixMs));
                }
                w.WriteString("reason", Encoding.UTF8.GetString(reason));
                Move(w, record.Move);
            }
            if (damaged)
            {
                w.WriteBoolean("bodyDamaged", true);
            }
            w.WriteEndObject();
        }
        Flush();
    }

    /// <summary>Where the operator has moved recipients to, when he has; or when he has failed them.</summary>
    public static void Move(Utf8JsonWriter w, in RecordedMove move)
    {
        if (move.IsBounce)
        {
            w.WriteString("toBeBounced", Time(move.UnixMs));
        }
        else if (!move.Target.IsEmpty)
        {
            w.WriteString("movedTo", Encoding.UTF8.GetString(move.Target));
            w.WriteString("moved", Time(move.UnixMs));
        }
    }

    private void Object(Action<Utf8JsonWriter> write)
    {
        using (var writer = new Utf8JsonWriter(_buffer))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }
        Flush();
    }

    private void Flush()
    {
        output.WriteLine(Encoding.UTF8.GetString(_buffer.WrittenSpan));
        _buffer.ResetWrittenCount();
    }

    private static string Name(RecipientResult result) => result switch
    {
        RecipientResult.Delivered => "delivered",
        RecipientResult.Deferred => "deferred",
        _ => "dropped",
    };

    private static string Text(ReadOnlySpan<byte> bytes) => QueueListCommand.Printable(Encoding.UTF8.GetString(bytes));

    /// <summary>A moment as the journal commands write it: UTC, with milliseconds; one that no calendar has becomes its end.</summary>
    public static string Time(long unixMs) =>
        DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(unixMs, 0, 253402300799000)).ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);

    private static void Count(SortedDictionary<string, long> counts, string key) => counts[key] = counts.GetValueOrDefault(key) + 1;

    private static string List(SortedDictionary<string, long> counts) =>
        counts.Count == 0 ? "none" : string.Join(", ", counts.Select(c => FormattableString.Invariant($"{c.Value} {c.Key}")));
}
