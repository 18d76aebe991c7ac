using System.Globalization;
using System.Text;
using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

public sealed class InspectorTests : IJournalVisitor
{
    private readonly List<string> _seen = [];

    [Fact]
    public void It_tells_segments_groups_and_records_in_order_while_the_relay_runs()
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle first = rig.Commit(Encoding.ASCII.GetBytes("Subject: x\r\n\r\nbody\r\n"), "one@example.net", "two@example.net");
        rig.Defer(first, 5000, 2, "451 later", 1);
        rig.Settle();
        rig.Deliver(first, 0, 1);
        rig.Settle();
        rig.Commit(JournalRig.Body(40_000), "big@example.net");
        rig.Close();
        rig.Disk.Put(Path.Combine(JournalRig.Spool, "notes.txt"), []);
        Assert.Equal("", JournalInspector.Inspect(rig.Disk, JournalRig.Spool, this));
        Assert.Equal(
        [
            "segment 1 good",
            "group 1 whole 1",
            "Accepted sender@example.org 2 20 0 True",
            "group 2 whole 1",
            "Outcome 1:Deferred 2 5000 451 later",
            "group 3 whole 1",
            "Settled 0:Delivered 1:Delivered 1 0 250 ok",
            "group 4 whole 2",
            "Chunk True",
            "Accepted sender@example.org 1 40000 1 True",
            "group 5 clean end 0",
        ], _seen.Where(static line => !line.StartsWith("note", StringComparison.Ordinal)));
        Assert.Contains("note notes.txt: not a file of the spool", _seen);
    }

    [Fact]
    public void A_folder_that_is_not_there_is_said_in_words()
    {
        var rig = new JournalRig();
        rig.Disk.Put("/spool/0000000000000001.seg", new byte[8192]);
        rig.Disk.Fault = static (_, _) => 13;
        Assert.Equal("/spool/0000000000000001.seg: Open: Permission denied (EACCES)", JournalInspector.Inspect(rig.Disk, JournalRig.Spool, this));
    }

    void IJournalVisitor.Segment(in InspectedSegment segment) => _seen.Add($"segment {segment.Number} {segment.Header}");

    void IJournalVisitor.Group(in InspectedGroup group) => _seen.Add($"group {group.Number} {group.Condition} {group.Records}");

    void IJournalVisitor.Record(in InspectedRecord record)
    {
        var line = new StringBuilder(record.Kind);
        if (record.TryGetMessage(out Envelope envelope, out long bodyLength, out int chunks, out _))
        {
            line.Append(CultureInfo.InvariantCulture, $" {Encoding.ASCII.GetString(envelope.ReversePath)} {envelope.RecipientCount} {bodyLength} {chunks}");
        }
        if (record.TryGetOutcome(out int recipients, out int attempts, out long due, out ReadOnlySpan<byte> reason))
        {
            for (int i = 0; i < recipients; i++)
            {
                line.Append(CultureInfo.InvariantCulture, $" {record.OutcomeOf(i).Index}:{record.OutcomeOf(i).Result}");
            }
            line.Append(CultureInfo.InvariantCulture, $" {attempts} {due} {Encoding.ASCII.GetString(reason)}");
        }
        if (record.Body.Length > 0)
        {
            line.Append(' ').Append(record.BodyIsIntact);
        }
        _seen.Add(line.ToString());
    }

    void IJournalVisitor.Unreadable(long offset, long bytes) => _seen.Add(FormattableString.Invariant($"unreadable {bytes} at {offset}"));

    void IJournalVisitor.Note(string text) => _seen.Add("note " + text);
}
