using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Outside;

namespace FastRelay.Host.Commands;

/// <summary>Prints the queued messages of a spool, one JSON object a line, and writes them as files when asked.</summary>
internal sealed class JournalExporter
{
    private readonly ArrayBufferWriter<byte> _buffer = new();
    private readonly TextWriter _output;
    private readonly TextWriter _error;
    private readonly string? _bodies;
    private long _damaged;

    private JournalExporter(TextWriter output, TextWriter error, string? bodies)
    {
        _output = output;
        _error = error;
        _bodies = bodies;
    }

    /// <summary>Exports a spool.</summary>
    /// <param name="world">Its disk.</param>
    /// <param name="spool">Where.</param>
    /// <param name="bodies">Folder for the messages; null for none.</param>
    /// <param name="output">Takes the lines.</param>
    /// <param name="error">Takes what is damaged, and what stands in the way.</param>
    /// <returns>The exit code.</returns>
    public static int Export(World world, string spool, string? bodies, TextWriter output, TextWriter error)
    {
        try
        {
            if (bodies is not null)
            {
                // Mail: for nobody else's eyes, as in the spool.
                Directory.CreateDirectory(bodies, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
            using JournalView? view = JournalView.Open(world, spool, out string problem);
            if (view is null)
            {
                error.WriteLine($"fastrelay: {problem}");
                return ExitCode.Failure;
            }
            var exporter = new JournalExporter(output, error, bodies);
            for (int i = 0; i < view.Count; i++)
            {
                exporter.Message(view[i]);
            }
            return exporter._damaged > 0 ? ExitCode.Failure : ExitCode.Ok;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            error.WriteLine($"fastrelay: {e.Message}");
            return ExitCode.Failure;
        }
    }

    private void Message(in ViewedMessage message)
    {
        if (!message.TryGetEnvelope(out Envelope envelope, out uint bodyCrc, out int stuffedDots))
        {
            _damaged++;
            _error.WriteLine($"fastrelay: message {message.Id}: its envelope cannot be read, or it was moved since");
            return;
        }
        string damage = Body(message, bodyCrc);
        using (var w = new Utf8JsonWriter(_buffer))
        {
            w.WriteStartObject();
            w.WriteString("id", message.Id.ToString());
            w.WriteString("arrived", JournalPrinter.Time(envelope.ArrivalUnixMs));
            w.WriteString("sender", Encoding.UTF8.GetString(envelope.ReversePath));
            w.WriteString("peer", Encoding.UTF8.GetString(envelope.Peer));
            w.WriteString("helo", Encoding.UTF8.GetString(envelope.Helo));
            if (envelope.Return != 0)
            {
                w.WriteString("ret", envelope.Return == 1 ? "FULL" : "HDRS");
            }
            if (!envelope.EnvelopeId.IsEmpty)
            {
                w.WriteString("envid", Encoding.UTF8.GetString(envelope.EnvelopeId));
            }
            if (!envelope.Tenant.IsEmpty)
            {
                w.WriteString("tenant", Encoding.UTF8.GetString(envelope.Tenant));
            }
            if (envelope.Priority != MailPriority.Normal)
            {
                w.WriteString("priority", envelope.Priority.Word());
            }
            w.WriteBoolean("eightBit", envelope.Flags.HasFlag(EnvelopeFlags.EightBit));
            w.WriteBoolean("smtpUtf8", envelope.Flags.HasFlag(EnvelopeFlags.SmtpUtf8));
            w.WriteBoolean("bounce", envelope.Flags.HasFlag(EnvelopeFlags.Bounce));
            w.WriteBoolean("held", message.Hold);
            w.WriteNumber("bodyBytes", message.BodyLength);
            w.WriteString("bodyCrc", bodyCrc.ToString("x8", CultureInfo.InvariantCulture));
            w.WriteNumber("stuffedDots", stuffedDots);
            if (damage.Length > 0)
            {
                w.WriteString("damaged", damage);
            }
            Recipients(w, message, envelope);
            w.WriteEndObject();
        }
        _output.WriteLine(Encoding.UTF8.GetString(_buffer.WrittenSpan));
        _buffer.ResetWrittenCount();
    }

    private static void Recipients(Utf8JsonWriter w, in ViewedMessage message, in Envelope envelope)
    {
        w.WriteStartArray("recipients");
        foreach (EnvelopeRecipient recipient in envelope)
        {
            int index = recipient.Index;
            w.WriteStartObject();
            w.WriteString("mailbox", Encoding.UTF8.GetString(recipient.Mailbox));
            if (recipient.Notify != 0)
            {
                w.WriteNumber("notify", recipient.Notify);
            }
            if (!recipient.OriginalRecipient.IsEmpty)
            {
                w.WriteString("orcpt", Encoding.UTF8.GetString(recipient.OriginalRecipient));
            }
            bool tried = message.TryGetDeferred(index, out DeferredSet last);
            w.WriteString("state", !message.IsPending(index) ? "settled" : tried ? "deferred" : "ready");
            if (message.IsPending(index) && message.IsHeld(index))
            {
                w.WriteBoolean("held", true);
            }
            if (message.IsPending(index) && tried)
            {
                w.WriteNumber("attempts", last.Attempts);
                w.WriteString("due", JournalPrinter.Time(last.NextDueUnixMs));
                w.WriteString("reason", Encoding.UTF8.GetString(last.Reason));
                JournalPrinter.Move(w, last.Move);
            }
            w.WriteEndObject();
        }
        w.WriteEndArray();
    }

    /// <summary>Checks a body, and writes it where bodies are wanted: without the dots that stuffing added.</summary>
    /// <returns>What is wrong with it.</returns>
    private string Body(in ViewedMessage message, uint bodyCrc)
    {
        string path = _bodies is null ? "" : Path.Combine(_bodies, $"{message.Id}.eml");
        using FileStream? file = path.Length > 0 ? Create(path) : null;
        string damage = "";
        uint crc = 0;
        byte before = (byte)'\n';
        for (int i = 0; i < message.Pieces && damage.Length == 0; i++)
        {
            if (!message.TryGetPiece(i, out ReadOnlySpan<byte> piece, out string where))
            {
                damage = where.Length > 0 ? where : string.Create(CultureInfo.InvariantCulture, $"piece {i} is missing");
                continue;
            }
            crc = Crc32C.Append(crc, piece);
            if (file is not null)
            {
                Unstuff(piece, ref before, file);
            }
        }
        damage = damage.Length == 0 && crc != bodyCrc ? "its body is not what was received" : damage;
        if (damage.Length > 0)
        {
            _damaged++;
            _error.WriteLine($"fastrelay: message {message.Id} is damaged: {damage}");
        }
        return damage;
    }

    private static FileStream Create(string path) => new(path, new FileStreamOptions
    {
        Mode = FileMode.Create,
        Access = FileAccess.Write,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    });

    private static void Unstuff(ReadOnlySpan<byte> piece, ref byte before, Stream to)
    {
        while (!piece.IsEmpty)
        {
            if (before == '\n' && piece[0] == '.')
            {
                piece = piece[1..];
                before = (byte)'.';
                continue;
            }
            int lf = piece.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = lf < 0 ? piece : piece[..(lf + 1)];
            to.Write(line);
            before = line[^1];
            piece = piece[line.Length..];
        }
    }
}
