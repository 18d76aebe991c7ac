using System.Globalization;
using System.Text;
using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

/// <summary>An image of every released version of the format is opened for ever; and the present code still writes the newest one byte for byte.</summary>
public class GoldenTests
{
    private const string Segment = "0000000000000001.seg";
    private const int SegmentBytes = 2 << 20;

    [Fact]
    public void The_image_of_version_1_is_read()
    {
        var rig = new JournalRig();
        rig.Disk.Put(Path.Combine(JournalRig.Spool, Segment), Load("journal-v1.txt"));
        rig.Open();
        Assert.True(rig.Report.CleanEnd);
        Assert.Equal(0, rig.Report.DamagedGroups + rig.Report.TornGroups + rig.Report.DamagedMessages);
        Assert.Equal(3, rig.Replayed.Count);
        SeenMessage first = rig.Replayed[0];
        Assert.Equal("sender@example.org", first.From);
        Assert.Equal(["one@example.net", "two@example.net"], first.Recipients);
        Assert.Equal([1], first.Pending);
        Assert.Equal("451 4.2.0 later", first.Reason);
        Assert.Equal(1_767_323_045_000, first.NextDue);
        Assert.Equal(4, first.Attempts);
        Assert.True(rig.Replayed[1].Hold);
        Assert.Equal("", rig.Replayed[2].From);
        Assert.Equal(BodyStatus.Ok, rig.Read(first.Handle, out byte[] body));
        Assert.Equal("Subject: one\r\n\r\n..dot\r\n", Encoding.ASCII.GetString(body));
        Assert.Equal(BodyStatus.Ok, rig.Read(rig.Replayed[1].Handle, out body));
        Assert.Equal(Large(), body);
    }

    [Fact]
    public void The_same_mail_still_makes_the_same_bytes()
    {
        JournalRig rig = Script();
        string expected = Text(Load("journal-v1.txt"));
        string actual = Text(rig.Disk.Content(Segment));
        Assert.Equal(expected, actual);
    }

    [Fact]
    public void The_image_with_moved_mail_is_read()
    {
        var rig = new JournalRig();
        rig.Disk.Put(Path.Combine(JournalRig.Spool, Segment), Load("journal-v1-moved.txt"));
        rig.Open();
        Assert.Equal(0, rig.Report.DamagedGroups + rig.Report.TornGroups + rig.Report.DamagedMessages);
        SeenMessage one = Assert.Single(rig.Replayed);
        Assert.Equal(("421 4.3.2 busy", 3, 1_767_323_045_999), (one.Reason, one.Attempts, one.NextDue));
        Assert.Equal(["smtp:[192.0.2.1]:2525", "", "route:.example.com"], Enumerable.Range(0, 3).Select(i => rig.MovedTo(one.Handle, i)));
        Assert.True(rig.Journal.TryGetDeferred(one.Handle, 0, out DeferredSet set));
        Assert.Equal(1_767_323_045_000, set.Move.UnixMs);
    }

    [Fact]
    public void Moved_mail_still_makes_the_same_bytes()
    {
        JournalRig rig = new JournalRig(SegmentBytes).Open();
        MessageHandle message = rig.Commit("Subject: one\r\n\r\nhello\r\n"u8.ToArray(), "one@example.net", "two@example.net", "three@example.com");
        rig.Move(message, "smtp:[192.0.2.1]:2525", 1_767_323_045_000, 0, "", 0, 1, 2);
        rig.Settle();
        // Taken back, moved again, and an attempt there: the last record of each counts.
        rig.Move(message, "", 1_767_323_045_000, 0, "", 1);
        rig.Move(message, "route:.example.com", 1_767_323_045_999, 3, "421 4.3.2 busy", 2);
        rig.Close();
        Assert.Equal(Text(Load("journal-v1-moved.txt")), Text(rig.Disk.Content(Segment)));
    }

    private static JournalRig Script()
    {
        JournalRig rig = new JournalRig(SegmentBytes).Open();
        MessageHandle first = rig.Commit("Subject: one\r\n\r\n..dot\r\n"u8.ToArray(), "one@example.net", "two@example.net");
        rig.Deliver(first, 0);
        rig.Defer(first, 1_767_323_045_000, 4, "451 4.2.0 later", 1);
        rig.Settle();
        MessageHandle large = rig.Commit(Large(), "large@example.net");
        rig.Journal.Holds.Set(large, true);
        rig.Settle();
        MessageHandle gone = rig.Commit("gone\r\n"u8.ToArray(), "gone@example.net");
        var writer = new MessageWriter(rig.Journal);
        writer.Begin();
        "bounce\r\n"u8.CopyTo(writer.GetSpan(8));
        writer.Advance(8);
        var envelope = new EnvelopeBuilder();
        envelope.Start(default, EnvelopeFlags.Bounce, "[bounce]"u8, default);
        Assert.True(envelope.TryAddRecipient("sender@example.org"u8));
        rig.Wait(writer.CommitAsync(envelope, gone, [0]));
        rig.Close();
        return rig;
    }

    private static byte[] Large()
    {
        var body = new byte[34_000];
        for (int i = 0; i < body.Length; i += 34)
        {
            string line = string.Create(CultureInfo.InvariantCulture, $"{i,7} of a body in two records\r\n");
            Encoding.ASCII.GetBytes(line).CopyTo(body, i);
        }
        return body;
    }

    /// <summary>Lines of 64 bytes that are not all zero: offset and hexadecimal.</summary>
    private static string Text(byte[] image)
    {
        var text = new StringBuilder();
        for (int at = 0; at < image.Length; at += 64)
        {
            ReadOnlySpan<byte> line = image.AsSpan(at, 64);
            if (line.ContainsAnyExcept((byte)0))
            {
                text.Append(CultureInfo.InvariantCulture, $"{at:x6} {Convert.ToHexString(line)}\n");
            }
        }
        return text.ToString();
    }

    private static byte[] Load(string name)
    {
        var image = new byte[SegmentBytes];
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Golden", name)))
        {
            string[] parts = line.Split(' ');
            Convert.FromHexString(parts[1]).CopyTo(image, int.Parse(parts[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        }
        return image;
    }
}
