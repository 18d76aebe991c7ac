using System.Globalization;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Outside;

namespace FastRelay.Host.Commands;

/// <summary>
/// Checks a spool: all groups and records with the bodies in them first, then whether each queued message has all its
/// pieces and the checksum of its whole body. Whatever is damaged is a line of its own.
/// </summary>
internal sealed class JournalVerifier : IJournalVisitor
{
    private readonly TextWriter _output;
    private readonly TextWriter _progress;
    private string _file = "";
    private ulong _number;
    private long _segments;
    private long _groups;
    private long _records;
    private long _bytes;
    private long _damaged;
    private bool _torn;

    private JournalVerifier(TextWriter output, TextWriter progress)
    {
        _output = output;
        _progress = progress;
    }

    /// <summary>Verifies a spool.</summary>
    /// <param name="world">Its disk.</param>
    /// <param name="spool">Where.</param>
    /// <param name="output">Takes what is damaged, and the totals.</param>
    /// <param name="error">Takes what stands in the way.</param>
    /// <param name="progress">Takes a line that is written over after each segment.</param>
    /// <returns>The exit code.</returns>
    public static int Verify(World world, string spool, TextWriter output, TextWriter error, TextWriter progress)
    {
        var verifier = new JournalVerifier(output, progress);
        string problem = JournalInspector.Inspect(world.Disk, spool, verifier);
        if (problem.Length == 0)
        {
            using JournalView? view = JournalView.Open(world, spool, out problem);
            if (view is not null)
            {
                verifier.Messages(view);
            }
        }
        progress.Write("\r\u001b[K");
        if (problem.Length > 0)
        {
            error.WriteLine($"fastrelay: {problem}");
            return ExitCode.Failure;
        }
        return verifier._damaged > 0 ? ExitCode.Failure : ExitCode.Ok;
    }

    /// <inheritdoc/>
    public void Segment(in InspectedSegment segment)
    {
        Progress();
        _file = segment.Path;
        _segments++;
        if (segment.Header != "good")
        {
            Damage(0, $"its header is {segment.Header}");
        }
        if (_number != 0 && segment.Number > _number + 1)
        {
            Damage(0, string.Create(CultureInfo.InvariantCulture, $"the {segment.Number - _number - 1} segments before it are missing"));
        }
        _number = segment.Number;
    }

    /// <inheritdoc/>
    public void Group(in InspectedGroup group)
    {
        _groups++;
        _bytes += group.Bytes;
        _torn = group.Condition == "torn";
        string what = group.Condition switch
        {
            "whole" or "clean end" or "torn" => "",
            "hole" => $"no group can be read in {group.Bytes} bytes",
            "missing groups before" => $"groups before group {group.Number} are missing",
            _ => group.Number == 0 ? $"acknowledged groups in {group.Bytes} bytes cannot be read" : $"group {group.Number} is damaged",
        };
        if (what.Length > 0)
        {
            Damage(group.Offset, what);
        }
    }

    /// <inheritdoc/>
    public void Record(in InspectedRecord record)
    {
        _records++;
        if (!_torn && !record.Body.IsEmpty && !record.BodyIsIntact)
        {
            Damage(record.Offset, $"message {record.Id}: {(record.Kind == "Chunk" ? "a piece of its body" : "its body")} is damaged");
        }
    }

    /// <inheritdoc/>
    public void Unreadable(long offset, long bytes)
    {
        // Of the last group, which nobody was promised, a part may never have been written.
        if (!_torn)
        {
            Damage(offset, $"{bytes} bytes hold a record that cannot be read");
        }
    }

    /// <inheritdoc/>
    public void Note(string text) => _output.WriteLine(text);

    private void Messages(JournalView view)
    {
        for (int i = 0; i < view.Count; i++)
        {
            ViewedMessage message = view[i];
            if (message.Pieces > 1)
            {
                Whole(message);
            }
        }
        _output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{_segments} segments, {_groups} groups, {_records} records, {ConfigText.ShowSize(_bytes)} checked; {view.Count} messages in the queue; {_damaged} damaged places"));
    }

    /// <summary>A body of one piece was checked with its record; that of several may lack one.</summary>
    private void Whole(in ViewedMessage message)
    {
        uint crc = 0;
        long length = 0;
        for (int i = 0; i < message.Pieces; i++)
        {
            if (!message.TryGetPiece(i, out ReadOnlySpan<byte> piece, out string where))
            {
                if (where.Length == 0)
                {
                    Damage($"message {message.Id}: piece {i} of its body is missing");
                }
                return;
            }
            crc = Crc32C.Append(crc, piece);
            length += piece.Length;
        }
        if (message.TryGetEnvelope(out _, out uint stored, out _) && (crc != stored || length != message.BodyLength))
        {
            Damage($"message {message.Id}: its body is not what was received");
        }
    }

    private void Damage(long offset, string what) => Damage(string.Create(CultureInfo.InvariantCulture, $"{_file} at {offset}: {what}"));

    private void Damage(string line)
    {
        _damaged++;
        _output.WriteLine(line);
    }

    private void Progress()
    {
        if (_segments > 0)
        {
            _progress.Write(string.Create(CultureInfo.InvariantCulture, $"\r{_segments} segments, {ConfigText.ShowSize(_bytes)} checked, {_damaged} damaged places\u001b[K"));
        }
    }
}
