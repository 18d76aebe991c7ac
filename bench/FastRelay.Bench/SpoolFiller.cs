using System.Diagnostics;
using System.Globalization;
using System.Text;
using FastRelay.Journal;
using FastRelay.Outside;
using FastRelay.Outside.Linux;

namespace FastRelay.Bench;

/// <summary>
/// Writes messages through the real journal on a real disk, without SMTP. For perf/scale it makes a spool of queued mail,
/// as a relay would have left it, without syncs and so in minutes less. For perf/commit it measures: so many messages
/// wait for their commits at any time, and each may be settled at once, so that its segments come back.
/// </summary>
internal sealed class SpoolFiller : LoopItem, IReplay
{
    /// <summary>What the program's arguments may be.</summary>
    public const string Usage = """
        usage: FastRelay.Bench fill SPOOL MESSAGES BYTES [HOSTS]
               FastRelay.Bench commit SPOOL MESSAGES BYTES WAITERS [settle]
        BYTES is 100 to 30,000: of each body. The first fifth of what commit writes warms up and is not measured.
        What fill writes is for one of 1,000 domains, or of HOSTS addresses of loopback, each a site without DNS; every second message is of the
        tenant odd, from odd@example.org.
        """;

    private const int FillWriters = 512;
    private const int Domains = 1000;
    private readonly World _world;
    private readonly byte[] _body;
    private readonly long _messages;
    private readonly int _writers;
    private readonly bool _settle;
    private readonly int _hosts;
    private MessageJournal _journal = null!;
    private long _begun;
    private int _running;
    private Moment _from;
    private Moment _to;

    private SpoolFiller(World world, long messages, int bytes, int writers, bool settle, int hosts)
    {
        _hosts = hosts;
        _world = world;
        _messages = messages;
        _writers = _running = writers;
        _settle = settle;
        var text = new StringBuilder("Subject: queued\r\n\r\n");
        while (text.Length < bytes - 78)
        {
            text.Append('x', 76).Append("\r\n");
        }
        text.Append('y', Math.Max(0, bytes - text.Length - 2)).Append("\r\n");
        _body = Encoding.ASCII.GetBytes(text.ToString());
    }

    /// <summary>Does what the arguments say.</summary>
    /// <returns>The exit code.</returns>
    public static int Run(string[] arguments)
    {
        bool commit = arguments[0] == "commit";
        int writers = FillWriters;
        int hosts = 0;
        if (arguments.Length < 4
            || arguments.Length > (commit ? 6 : 5)
            || !long.TryParse(arguments[2], CultureInfo.InvariantCulture, out long messages)
            || !int.TryParse(arguments[3], CultureInfo.InvariantCulture, out int bytes)
            || (commit && (arguments.Length < 5 || !int.TryParse(arguments[4], CultureInfo.InvariantCulture, out writers)))
            || (!commit && arguments.Length == 5 && !int.TryParse(arguments[4], CultureInfo.InvariantCulture, out hosts))
            || messages < 10 || bytes is < 100 or > 30_000 || writers < 1 || hosts is < 0 or > 1 << 24)
        {
            Console.Error.WriteLine(Usage);
            return 2;
        }
        World world = LinuxWorld.Create(new LinuxOptions());
        var filler = new SpoolFiller(world, messages, bytes, writers, settle: arguments.Length == 6, hosts);
        SyncMode sync = commit ? SyncMode.Group : SyncMode.None;
        JournalOpenResult opened = MessageJournal.Open(world, new JournalOptions { Path = arguments[1], Sync = sync, Limits = new Limits() }, filler);
        if (opened.Journal is null)
        {
            Console.Error.WriteLine(opened.Error);
            return 1;
        }
        filler._journal = opened.Journal;
        world.Loop.Enqueue(filler);
        world.Loop.Run();
        LinuxWorld.Dispose(world);
        filler.Report();
        return 0;
    }

    /// <inheritdoc/>
    public void Message(MessageHandle message, in Envelope envelope, in ReplayState state)
    {
        // A spool may be filled further: what is there stays.
    }

    /// <summary>On the loop: begins all writers.</summary>
    protected internal override void Run()
    {
        for (int i = 0; i < _writers; i++)
        {
            _ = WriteAsync();
        }
    }

    private async Task WriteAsync()
    {
        try
        {
            var writer = new MessageWriter(_journal);
            var envelope = new EnvelopeBuilder();
            while (_begun < _messages)
            {
                await WriteOneAsync(writer, envelope, _begun++);
            }
            if (_running-- == _writers)
            {
                // The first that finds nothing more to do: from here on fewer wait than were asked for.
                _to = Now();
            }
            if (_running == 0)
            {
                await _journal.CloseAsync();
                _world.Loop.Stop();
            }
        }
        catch (Exception broken)
        {
            Check.Fatal("filling failed: " + broken);
        }
    }

    private async ValueTask WriteOneAsync(MessageWriter writer, EnvelopeBuilder envelope, long number)
    {
        if (number == _messages / 5)
        {
            _from = Now();
        }
        bool odd = number % 2 == 1;
        envelope.Start(odd ? "odd@example.org"u8 : "even@example.org"u8, EnvelopeFlags.None, "192.0.2.1:4711"u8, "client.example"u8);
        envelope.SetTenant(odd ? "odd"u8 : default);
        Check.That(envelope.TryAddRecipient(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"user{number}@{DomainOf(number)}"))));
        writer.Begin();
        for (int at = 0; at < _body.Length;)
        {
            if (writer.IsFull)
            {
                Check.That(await writer.FlushAsync() == JournalStatus.Ok, "a piece was refused: is the disk full?");
            }
            Span<byte> span = writer.GetSpan(1);
            int count = Math.Min(span.Length, _body.Length - at);
            _body.AsSpan(at, count).CopyTo(span);
            writer.Advance(count);
            at += count;
        }
        CommitResult result = await writer.CommitAsync(envelope);
        Check.That(result.Status == JournalStatus.Ok, "a message was refused: is the disk full?");
        if (_settle)
        {
            _journal.RecordOutcome(result.Message, [new RecipientOutcome(0, RecipientResult.Delivered)], 0, 1, "250 2.0.0 ok"u8);
        }
    }

    private string DomainOf(long number)
    {
        // Both tenants have mail for each of them.
        long host = _hosts == 0 ? 0 : number / 2 % _hosts;
        return _hosts == 0
            ? string.Create(CultureInfo.InvariantCulture, $"domain{number % Domains}.test")
            : string.Create(CultureInfo.InvariantCulture, $"[127.{host >> 16}.{(host >> 8) & 255}.{host & 255}]");
    }

    private Moment Now()
    {
        using var self = Process.GetCurrentProcess();
        return new Moment(_begun, Stopwatch.GetTimestamp(), self.TotalProcessorTime, _journal.Stats.Groups, _journal.Stats.Bytes);
    }

    /// <summary>Messages, seconds, seconds of processor, groups and their octets.</summary>
    private void Report() => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{_to.Messages - _from.Messages} {Stopwatch.GetElapsedTime(_from.Timestamp, _to.Timestamp).TotalSeconds:F6} {(_to.Processor - _from.Processor).TotalSeconds:F6} {_to.Groups - _from.Groups} {_to.Bytes - _from.Bytes}"));

    private readonly record struct Moment(long Messages, long Timestamp, TimeSpan Processor, long Groups, long Bytes);
}
