using System.Text.Json;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>
/// <c>journal verify</c> and <c>journal export</c> on a spool that a relay has left, and the reader that was written
/// from docs/JOURNAL_FORMAT.md alone: both say the same of each message.
/// </summary>
public sealed class JournalCommandTests : IDisposable
{
    private readonly Sink _sink = new(Place.NewAddress());
    private readonly RelayProcess _relay;

    public JournalCommandTests()
    {
        _sink.Answer = static (verb, argument) => verb == "RCPT" && argument.Contains("later", StringComparison.Ordinal) ? "451 4.2.1 not yet" : null;
        _relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint, "[limits]\nsegment_bytes = \"4MiB\"").Replace("[\"1s\", \"2s\"]", "[\"1h\"]", StringComparison.Ordinal)
            .Replace("networks = [\"127.0.0.0/8\"]", "networks = [\"127.0.0.0/8\"]\ntenant_header = true\npriority_header = true", StringComparison.Ordinal));
    }

    public void Dispose()
    {
        _relay.Dispose();
        _sink.Dispose();
    }

    [Fact]
    public void A_reader_written_from_the_document_says_what_export_says()
    {
        _relay.Start();
        using (SmtpTalk talk = _relay.Talk().Hello())
        {
            Send(talk, "Subject: dots\r\n\r\n..one\r\n...\r\n", "later1@mail.test", "now@mail.test", "later2@mail.test");
            Send(talk, "X-FastRelay-Tenant: acme\r\nX-FastRelay-Priority: high\r\nSubject: large\r\n\r\n" + Lines(100_000), "later@mail.test");
            Send(talk, "Subject: held\r\n\r\nbody\r\n", "later@mail.test");
            Tool.Until(() => _relay.Figure("queue_deferred") == 3, 60, () => $"3 messages should be deferred\n{_relay.Log}");
            _relay.Command("queue", "hold", "--state", "deferred").Ok();
            Assert.Equal("3 messages moved\n", _relay.Command("queue", "move", "--to", "smtp:[192.0.2.1]:2525", "--state", "held").Ok().Output);
            // So many segments that the first, with little left in it, is reclaimed: what is left is copied forward.
            for (int i = 0; i < 30; i++)
            {
                Send(talk, $"Subject: passing {i}\r\n\r\n" + Lines(1_000_000), "now@mail.test");
            }
            Send(talk, "Subject: last\r\n\r\nbody\r\n", "later@mail.test");
        }
        Tool.Until(() => _relay.QueueCount() == 4 && _relay.Figure("queue_held") == 3 && _relay.Figure("queue_deferred") == 1, 60, () => $"4 messages should be left\n{_relay.Log}");
        Assert.True(_relay.Figure("journal_segments") > 1);
        // Heads with what was settled and held by then, a chunk, and last outcomes.
        Assert.True(_relay.Figure("journal_moved_total") > 5, "hardly anything was copied forward");
        string spool = Path.Combine(_relay.Folder, "spool");
        foreach (string end in new[] { "killed", "stopped" })
        {
            if (end == "killed")
            {
                _relay.Kill();
            }
            else
            {
                Assert.Equal(0, _relay.Start().Stop());
            }
            Compare(spool, Path.Combine(_relay.Folder, end));
            ToolResult verified = Tool.Run(Place.Binary, ["journal", "verify", spool]).Ok();
            Assert.Contains("4 messages in the queue; 0 damaged places", verified.Output, StringComparison.Ordinal);
        }
    }

    private static void Compare(string spool, string folder)
    {
        string ours = Directory.CreateDirectory(Path.Combine(folder, "ours")).FullName;
        string theirs = Directory.CreateDirectory(Path.Combine(folder, "theirs")).FullName;
        ToolResult exported = Tool.Run(Place.Binary, ["journal", "export", spool, "--bodies", ours]).Ok();
        ToolResult read = Tool.Run("python3", [Path.Combine(Place.Root, "tests", "journal_reader.py"), spool, theirs]).Ok();
        Assert.Equal(Lines(read.Output), Lines(exported.Output));
        string[] names = [.. Directory.GetFiles(theirs).Select(Path.GetFileName).Order()!];
        Assert.Equal(4, names.Length);
        // 3 messages, and each of their 4 pending recipients.
        Assert.Equal(7, exported.Output.Split("\"held\":true").Length - 1);
        Assert.Equal(1, exported.Output.Split("\"tenant\":\"acme\"").Length - 1);
        Assert.Equal(4, exported.Output.Split("\"movedTo\":\"smtp:[192.0.2.1]:2525\"").Length - 1);
        Assert.Equal(1, exported.Output.Split("\"priority\":\"high\"").Length - 1);
        Assert.Equal(names, Directory.GetFiles(ours).Select(Path.GetFileName).Order());
        foreach (string name in names)
        {
            Assert.Equal(File.ReadAllBytes(Path.Combine(theirs, name)), File.ReadAllBytes(Path.Combine(ours, name)));
        }
        Assert.Contains(names, name => File.ReadAllText(Path.Combine(ours, name)).EndsWith("Subject: dots\r\n\r\n.one\r\n..\r\n", StringComparison.Ordinal));
    }

    /// <summary>Objects in one spelling, fields in order of name: which the two programs choose differently.</summary>
    private static string[] Lines(string output) =>
        [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => Spelled(JsonDocument.Parse(line).RootElement))];

    private static string Spelled(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "{" + string.Join(", ", element.EnumerateObject().OrderBy(static p => p.Name, StringComparer.Ordinal).Select(static p => $"{p.Name}: {Spelled(p.Value)}")) + "}",
        JsonValueKind.Array => "[" + string.Join(", ", element.EnumerateArray().Select(Spelled)) + "]",
        JsonValueKind.String => "'" + element.GetString() + "'",
        _ => element.GetRawText(),
    };

    private static string Lines(int bytes) => string.Concat(Enumerable.Repeat(new string('x', 78) + "\r\n", bytes / 80));

    private static void Send(SmtpTalk talk, string content, params string[] to)
    {
        Assert.StartsWith("250", talk.Say("MAIL FROM:<sender@mail.test>"));
        foreach (string mailbox in to)
        {
            Assert.StartsWith("250", talk.Say($"RCPT TO:<{mailbox}>"));
        }
        Assert.StartsWith("354", talk.Say("DATA"));
        Assert.StartsWith("250 2.0.0", talk.Say(content + "."));
    }
}
