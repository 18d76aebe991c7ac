using System.Text.Json;
using FastRelay.Host.Commands;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Outside.Linux;

namespace FastRelay.Tests.Host;

/// <summary>A spool with one message that was deferred once and that the operator has failed, as a relay leaves it behind.</summary>
public sealed class JournalCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("fastrelay-").FullName;
    private readonly string _spool;
    private string _id = "";

    public JournalCommandTests()
    {
        _spool = Path.Combine(_folder, "spool");
        World world = LinuxWorld.Create(new LinuxOptions());
        JournalOpenResult opened = MessageJournal.Open(
            world, new JournalOptions { Path = _spool, Limits = new Limits { SegmentBytes = 4 << 20 } }, new NoReplay());
        Assert.Equal("", opened.Error);
        world.Loop.Enqueue(new Start(async () =>
        {
            try
            {
                await WriteAsync(opened.Journal!);
            }
            finally
            {
                world.Loop.Stop();
            }
        }));
        world.Loop.Run();
        LinuxWorld.Dispose(world);
        Assert.NotEqual("", _id);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task WriteAsync(MessageJournal journal)
    {
        var envelope = new EnvelopeBuilder();
        envelope.Start("a@sender.test"u8, EnvelopeFlags.None, "192.0.2.1:4711"u8, "client.test"u8);
        Assert.True(envelope.TryAddRecipient("r1@one.test"u8));
        Assert.True(envelope.TryAddRecipient("r2@two.test"u8));
        var writer = new MessageWriter(journal);
        MessageId id = writer.Begin();
        "Subject: x\r\n\r\nbody\r\n"u8.CopyTo(writer.GetSpan(64));
        writer.Advance(20);
        CommitResult committed = await writer.CommitAsync(envelope);
        Assert.Equal(JournalStatus.Ok, committed.Status);
        journal.RecordOutcome(
            committed.Message,
            [new RecipientOutcome(0, RecipientResult.Delivered), new RecipientOutcome(1, RecipientResult.Deferred)],
            1_800_000_000_000,
            3,
            "451 4.2.1 \u001b[31mbusy"u8,
            new RecordedMove(RecordedMove.Bounce, 1_700_000_000_000));
        await journal.CloseAsync();
        _id = id.ToString();
    }

    private static (int Code, string Output, string Error) Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = CommandLine.Run(arguments, output, error);
        return (code, output.ToString(), error.ToString());
    }

    [Fact]
    public void Inspect_names_segments_groups_messages_and_outcomes()
    {
        (int code, string output, string error) = Run("journal", "inspect", _spool);
        Assert.Equal((0, ""), (code, error));
        Assert.Contains($"segment 1  {_spool}/", output);
        Assert.Contains($"Accepted {_id}", output);
        Assert.Contains("<a@sender.test>  body 20", output);
        Assert.Contains("1 <r2@two.test>", output);
        Assert.Contains($"Outcome  {_id}", output);
        Assert.Contains(@"attempt 3  0 delivered  1 deferred  next 2027-01-15T08:00:00.000Z  451 4.2.1 \x1b[31mbusy", output);
        Assert.Contains("busy  to be bounced since 2023-11-14T22:13:20.000Z", output);
        Assert.Contains("records: 1 Accepted, 1 Outcome; damaged bodies: 0", output);
    }

    [Fact]
    public void Json_is_one_object_a_line()
    {
        (int code, string output, _) = Run("journal", "inspect", _spool, "--json");
        Assert.Equal(0, code);
        List<JsonElement> all = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement)];
        JsonElement accepted = Assert.Single(all, e => e.TryGetProperty("kind", out JsonElement kind) && kind.GetString() == "Accepted");
        Assert.Equal(_id, accepted.GetProperty("id").GetString());
        Assert.Equal(["r1@one.test", "r2@two.test"], accepted.GetProperty("recipients").EnumerateArray().Select(r => r.GetString()));
        JsonElement outcome = Assert.Single(all, e => e.TryGetProperty("kind", out JsonElement kind) && kind.GetString() == "Outcome");
        Assert.Equal("deferred", outcome.GetProperty("outcomes").GetProperty("1").GetString());
        Assert.Equal("2023-11-14T22:13:20.000Z", outcome.GetProperty("toBeBounced").GetString());
        Assert.False(outcome.TryGetProperty("movedTo", out _));
        Assert.Contains(all, e => e.TryGetProperty("segment", out _));
        Assert.Contains(all, e => e.TryGetProperty("group", out _));
    }

    [Fact]
    public void Summary_leaves_groups_and_records_out_and_counts_them()
    {
        string output = Run("journal", "inspect", _spool, "--summary").Output;
        Assert.DoesNotContain(_id, output);
        Assert.Contains("records: 1 Accepted, 1 Outcome", output);
    }

    [Fact]
    public void Without_a_path_the_configurations_spool_is_looked_into()
    {
        string config = Path.Combine(_folder, "fastrelay.toml");
        File.WriteAllText(config, "spool = \"spool\"\n");
        Assert.Contains(_id, Run("journal", "inspect", "--config", config).Output);
        File.WriteAllText(config, "spol = \"spool\"\n");
        Assert.Equal(ExitCode.BadConfig, Run("journal", "inspect", "--config", config).Code);
    }

    [Fact]
    public void A_folder_that_is_not_there_is_named()
    {
        (int code, _, string error) = Run("journal", "inspect", "/nowhere/at/all");
        Assert.Equal(ExitCode.Failure, code);
        Assert.Contains("/nowhere/at/all", error);
    }

    private sealed class NoReplay : IReplay
    {
        public void Message(MessageHandle message, in Envelope envelope, in ReplayState state) => Assert.Fail("a new spool holds nothing");
    }

    private sealed class Start(Func<Task> work) : LoopItem
    {
        protected internal override void Run() => _ = work();
    }
}
