using System.Text;
using System.Text.Json;
using FastRelay.Host.Commands;
using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

/// <summary>What <c>journal verify</c> and <c>journal export</c> say of a spool.</summary>
public sealed class VerifyAndExportTests : IDisposable
{
    private const string First = "0000000000000001.seg";
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();
    private readonly StringWriter _progress = new();
    private readonly string _bodies = Directory.CreateTempSubdirectory("bodies").FullName;

    public void Dispose()
    {
        Directory.Delete(_bodies, recursive: true);
        _output.Dispose();
        _error.Dispose();
        _progress.Dispose();
    }

    [Fact]
    public void A_good_spool_is_said_to_be_good_with_and_without_a_clean_end()
    {
        JournalRig rig = Filled();
        Assert.Equal(ExitCode.Ok, Verify(rig));
        Assert.Contains("3 messages in the queue; 0 damaged places", _output.ToString(), StringComparison.Ordinal);
        rig.Close();
        Assert.Equal(ExitCode.Ok, Verify(rig));
        Assert.Equal("", _error.ToString());
        Assert.EndsWith("\r\u001b[K", _progress.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_flipped_bit_in_a_body_is_named_with_file_and_offset()
    {
        JournalRig rig = Filled();
        int at = rig.Disk.Content(First).AsSpan().IndexOf("the body of one"u8);
        rig.Disk.Content(First)[at] ^= 1;
        Assert.Equal(ExitCode.Failure, Verify(rig));
        Assert.Contains("/spool/0000000000000001.seg at 4160: message ", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("its body is damaged", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_flipped_bit_in_an_envelope_is_named_with_file_and_offset()
    {
        JournalRig rig = Filled();
        int at = rig.Disk.Content(First).AsSpan().IndexOf("one@example.net"u8);
        rig.Disk.Content(First)[at] ^= 1;
        Assert.Equal(ExitCode.Failure, Verify(rig));
        Assert.Matches(@"/spool/0000000000000001\.seg at 4160: \d+ bytes hold a record that cannot be read", _output.ToString());
    }

    [Fact]
    public void A_missing_piece_of_a_large_body_is_named()
    {
        JournalRig rig = Filled();
        // A group behind it: what is bad in the last one of all looks like a torn write.
        rig.Commit(JournalRig.Body(100), "last@example.net");
        byte[] content = rig.Disk.Content(First);
        int at = content.AsSpan().IndexOf(JournalRig.Body(40_000).AsSpan(200, 64)) - 200;
        // The header of the record with the first piece.
        Array.Clear(content, at - 40, 32);
        Assert.Equal(ExitCode.Failure, Verify(rig));
        Assert.Contains("piece 0 of its body is missing", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("hold a record that cannot be read", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_spool_of_a_later_format_is_refused()
    {
        JournalRig rig = Filled();
        byte[] content = rig.Disk.Content(First);
        content[8] = 2;
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(4092), Crc32C.Of(content.AsSpan(0, 4092)));
        Assert.Equal(ExitCode.Failure, Verify(rig));
        Assert.Contains("written by a later version", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Export_tells_envelope_states_due_times_and_bodies()
    {
        JournalRig rig = Filled();
        Assert.Equal(ExitCode.Ok, JournalExporter.Export(rig.World, JournalRig.Spool, _bodies, _output, _error));
        JsonElement[] lines = [.. _output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal(3, lines.Length);
        Assert.Equal("sender@example.org", lines[0].GetProperty("sender").GetString());
        Assert.Equal("ready", lines[0].GetProperty("recipients")[0].GetProperty("state").GetString());
        Assert.True(lines[0].GetProperty("held").GetBoolean());
        Assert.Equal(["settled", "deferred"], lines[1].GetProperty("recipients").EnumerateArray().Select(static r => r.GetProperty("state").GetString()));
        JsonElement later = lines[1].GetProperty("recipients")[1];
        Assert.Equal((2, "1970-01-01T00:00:05.000Z", "451 later"), (later.GetProperty("attempts").GetInt32(), later.GetProperty("due").GetString(), later.GetProperty("reason").GetString()));
        Assert.Equal(40_000, lines[2].GetProperty("bodyBytes").GetInt64());
        Assert.Equal(Crc32C.Of(JournalRig.Body(40_000)).ToString("x8"), lines[2].GetProperty("bodyCrc").GetString());
        Assert.Equal("the body of one\r\n.dot\r\n", File.ReadAllText(Path.Combine(_bodies, lines[0].GetProperty("id").GetString() + ".eml")));
    }

    [Fact]
    public void Export_says_which_message_is_damaged_and_goes_on()
    {
        JournalRig rig = Filled();
        rig.Disk.Content(First)[rig.Disk.Content(First).AsSpan().IndexOf("the body of one"u8)] ^= 1;
        Assert.Equal(ExitCode.Failure, JournalExporter.Export(rig.World, JournalRig.Spool, null, _output, _error));
        Assert.Contains("\"damaged\":\"/spool/0000000000000001.seg at 4160\"", _output.ToString(), StringComparison.Ordinal);
        Assert.Equal(3, _output.ToString().Count(static c => c == '\n'));
        Assert.Contains("is damaged: /spool/0000000000000001.seg at 4160", _error.ToString(), StringComparison.Ordinal);
    }

    /// <summary>Three messages: one held, one half delivered and half deferred, one large.</summary>
    private static JournalRig Filled()
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle held = rig.Commit(Encoding.ASCII.GetBytes("the body of one\r\n..dot\r\n"), "one@example.net");
        rig.Journal.Holds.Set(held, true);
        MessageHandle two = rig.Commit(JournalRig.Body(100), "two@example.net", "late@example.net");
        rig.Deliver(two, 0);
        rig.Defer(two, 5_000, 2, "451 later", 1);
        rig.Journal.Holds.Set(two, [1], true);
        rig.Settle();
        rig.Commit(JournalRig.Body(40_000), "large@example.net");
        rig.Settle();
        return rig;
    }

    private int Verify(JournalRig rig) => JournalVerifier.Verify(rig.World, JournalRig.Spool, _output, _error, _progress);
}
