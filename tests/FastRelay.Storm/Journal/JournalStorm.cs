using System.Globalization;
using System.Text;
using FastRelay.Journal;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>
/// A journal alone under a storm: writers, bounces, outcomes, holds and readers at once on a disk that fails and loses
/// power; after every restart, what the journal brings back is compared with what it promised.
/// </summary>
internal sealed class JournalStorm
{
    private const string Folder = "spool";
    private readonly SimUniverse _universe;
    private readonly SimRandom _random;
    private readonly SimStorage _storage;
    private readonly JournalChecker _checker;
    private readonly JournalOptions _options;
    private readonly int _messagesWanted;
    private SimHost _host = null!;
    private MessageJournal _journal = null!;
    private int _messagesMade;
    private int _busy;
    private bool _stopping;

    public JournalStorm(ulong seed, DiskProfile? profile = null)
    {
        _universe = new SimUniverse(seed);
        _random = _universe.Random.Fork("journal storm");
        DiskProfile chosen = profile ?? DiskProfile.FromSeed(_random) with
        {
            CapacityBytes = _random.Pick([24L << 20, 64L << 20, 1L << 30]),
        };
        _storage = new SimStorage(_universe, chosen);
        _checker = new JournalChecker(_universe);
        _options = new JournalOptions
        {
            Path = Folder,
            Limits = new Limits { SegmentBytes = 2 << 20, FreeBytesFloor = 1 << 20 },
        };
        _messagesWanted = 60 + _random.Next(240);
    }

    public SimUniverse Universe => _universe;

    /// <summary>Runs the whole storm; throws with the seed when something is broken.</summary>
    public void Run()
    {
        int crashes = 2 + _random.Next(6);
        for (int i = 0; i <= crashes; i++)
        {
            Start();
            int share = _messagesWanted * (i + 1) / (crashes + 1);
            if (i < crashes)
            {
                PlanCut();
            }
            RunUntilCut(() => _messagesMade >= share);
            if (i < crashes)
            {
                Crash();
            }
        }
        Calm();
    }

    private void Start()
    {
        for (int attempt = 0; ; attempt++)
        {
            _universe.Faults.On &= attempt < 20;
            _storage.PowerOn();
            _host = _universe.AddHost("journal");
            _busy = 0;
            _stopping = false;
            if (TryOpen())
            {
                break;
            }
            _universe.ThrowIfFailed();
            _universe.Faults.Hit("journal: start failed");
            Stop();
            _universe.RunFor(2_000);
        }
        _universe.ThrowIfFailed();
        for (int i = 0; i < 8; i++)
        {
            _host.Spawn(WriteAsync);
        }
        _host.Spawn(SettleAsync);
        _host.Spawn(BounceAsync);
        _host.Spawn(ReadAsync);
    }

    private bool TryOpen()
    {
        try
        {
            if (_universe.Faults.On && _random.OneIn(4))
            {
                _universe.Faults.Hit("cut during recovery");
                _storage.CutAfter(_random.Next(60));
            }
            World world = _host.World(new SimDisk(_host, _storage), new SimResolver(_host, new SimZone()), new SimOutput(_universe));
            _checker.BeginReplay();
            JournalOpenResult opened = MessageJournal.Open(world, _options, _checker);
            _storage.Unplan();
            if (opened.Journal is null)
            {
                _universe.Require(opened.Error.Contains(Folder, StringComparison.Ordinal), $"an error without a path: {opened.Error}");
                _universe.Require(_universe.Faults.On, $"does not start on a good disk: {opened.Error}");
                return false;
            }
            _journal = opened.Journal;
            _checker.EndReplay(_journal);
            return true;
        }
        catch (SimPowerCutException)
        {
            return false;
        }
    }

    private void PlanCut()
    {
        if (_random.OneIn(3))
        {
            _storage.CutAfter(_random.Next(400));
        }
    }

    private void RunUntilCut(Func<bool> done)
    {
        try
        {
            _universe.RunUntil(() => done() || _storage.PowerIsOff, 20 * 60_000);
        }
        catch (SimPowerCutException)
        {
            // As planned.
        }
    }

    private void Crash()
    {
        if (!_storage.PowerIsOff && _random.OneIn(6))
        {
            CloseCleanly();
        }
        Stop();
    }

    private void Stop()
    {
        // Whether the process was killed or the power went is decided after the fact: nothing of it may depend on which.
        _storage.PowerOff(keepCache: _random.OneIn(3));
        _universe.RemoveHost(_host);
    }

    private void CloseCleanly()
    {
        long moment = _checker.Tick();
        _stopping = true;
        _storage.Unplan();
        bool closed = false;
        _host.Spawn(async () =>
        {
            await _journal.CloseAsync();
            closed = true;
        });
        bool ended = _universe.RunUntil(() => closed, 10 * 60_000);
        _universe.Require(ended, "the journal does not close");
        _universe.Faults.Hit("journal: closed cleanly");
        _ = moment;
    }

    /// <summary>Faults stop; everything must be there, be readable, be settled, and leave an empty journal behind.</summary>
    private void Calm()
    {
        _universe.Faults.On = false;
        _messagesMade = int.MaxValue / 2;
        Stop();
        Start();
        bool idle = _universe.RunUntil(() => _checker.Live.Count == 0, 24 * 3_600_000L);
        _universe.Require(idle, $"{_checker.Live.Count} messages never settle");
        _stopping = true;
        _universe.RunUntil(() => _busy == 0, 600_000);
        _universe.Require(_journal.Stats.Messages == 0, $"{_journal.Stats.Messages} messages in an empty journal");
        _universe.Require(_journal.Admission == JournalStatus.Ok, $"no admission on a good disk: {_journal.Admission}");
        _universe.ThrowIfFailed();
        CloseCleanly();
        Stop();
        Start();
        _universe.Require(_journal.Stats.Messages == 0, "settled messages came back after a clean end");
        _universe.ThrowIfFailed();
        Stop();
    }

    private async ValueTask WriteAsync()
    {
        var sleeper = new Sleeper(_host.Loop);
        var writer = new MessageWriter(_journal);
        var envelope = new EnvelopeBuilder();
        while (!_stopping)
        {
            await sleeper.SleepAsync(_random.Magnitude(0, 3_000));
            if (_messagesMade >= _messagesWanted || _stopping)
            {
                return;
            }
            if (_journal.Admission != JournalStatus.Ok)
            {
                _universe.Faults.Hit($"journal: admission {_journal.Admission}");
                continue;
            }
            await WriteOneAsync(writer, envelope, sleeper, null, []);
        }
    }

    private async ValueTask WriteOneAsync(MessageWriter writer, EnvelopeBuilder envelope, Sleeper sleeper, ModelMessage? original, int[] settles)
    {
        string token = string.Create(CultureInfo.InvariantCulture, $"m{++_messagesMade}");
        byte[] body = new byte[_random.Magnitude(1, 150_000)];
        _random.NextBytes(body);
        int recipients = _random.OneIn(10) ? 1 + _random.Next(150) : 1 + _random.Next(3);
        var message = new ModelMessage(token, body, recipients);
        envelope.Start(Encoding.ASCII.GetBytes(token), original is null ? EnvelopeFlags.None : EnvelopeFlags.Bounce, "1.2.3.4:5"u8, "helo"u8);
        for (int i = 0; i < recipients; i++)
        {
            _universe.Require(envelope.TryAddRecipient(Encoding.ASCII.GetBytes(JournalChecker.Mailbox(token, i))), "no room for a recipient");
        }
        _busy++;
        message.Id = writer.Begin();
        JournalStatus status = await FillAsync(writer, body, sleeper);
        if (status == JournalStatus.Ok && !_random.OneIn(20))
        {
            await CommitAsync(writer, envelope, message, original, settles);
        }
        else
        {
            writer.Abandon();
            _universe.Faults.Hit(status == JournalStatus.Ok ? "journal: abandoned" : $"journal: chunk {status}");
        }
        _busy--;
    }

    private async ValueTask<JournalStatus> FillAsync(MessageWriter writer, byte[] body, Sleeper sleeper)
    {
        int at = 0;
        while (at < body.Length)
        {
            if (writer.IsFull)
            {
                JournalStatus status = await writer.FlushAsync();
                if (status != JournalStatus.Ok)
                {
                    return status;
                }
                if (_random.OneIn(4))
                {
                    await sleeper.SleepAsync(_random.Magnitude(0, 500));
                }
            }
            int count = Math.Min(body.Length - at, 1 + _random.Next(4_096));
            Span<byte> span = writer.GetSpan(count);
            body.AsSpan(at, count).CopyTo(span);
            writer.Advance(count);
            at += count;
        }
        return JournalStatus.Ok;
    }

    private async ValueTask CommitAsync(MessageWriter writer, EnvelopeBuilder envelope, ModelMessage message, ModelMessage? original, int[] settles)
    {
        long moment = _checker.Tick();
        _checker.Add(message);
        // The original may be settled by now: a commit of its own then, as the queue would do.
        int[] open = original is null ? [] : [.. settles.Where(i => original.Recipients[i].SettledAt == 0)];
        ValueTask<CommitResult> commit;
        if (open.Length > 0)
        {
            foreach (int index in open)
            {
                original!.Recipients[index].SettledAt = moment;
                original.Recipients[index].SettledBy = message;
            }
            commit = writer.CommitAsync(envelope, original!.Handle, open);
        }
        else
        {
            commit = writer.CommitAsync(envelope);
        }
        CommitResult result = await commit;
        _universe.Faults.Hit($"journal: commit {result.Status}");
        _universe.Trace.Add("commit", message.Token, (long)result.Status, result.Message.Slot);
        if (result.Status == JournalStatus.Ok)
        {
            _universe.Require(_journal.IdOf(result.Message) == message.Id, "a commit with another id");
            _checker.DurableUntil(moment);
            _checker.Acknowledge(message, result.Message);
        }
        else
        {
            _checker.Refuse(message);
        }
    }

    private async ValueTask SettleAsync()
    {
        var sleeper = new Sleeper(_host.Loop);
        while (!_stopping)
        {
            await sleeper.SleepAsync(_random.Magnitude(0, _universe.Faults.On ? 3_000 : 200));
            if (_checker.Live.Count == 0 || (_checker.Live.Count < 20 && _universe.Faults.On && _random.OneIn(2)))
            {
                continue;
            }
            ModelMessage message = _checker.Live[_random.Next(_checker.Live.Count)];
            if (message.Recipients.Any(static r => r.SettledBy is not null))
            {
                continue;
            }
            if (_random.OneIn(8))
            {
                SetHold(message);
            }
            else
            {
                RecordOutcome(message);
            }
        }
    }

    private void SetHold(ModelMessage message)
    {
        bool hold = !_random.OneIn(2);
        ulong[] named = _random.OneIn(3) ? [] : new ulong[(message.Recipients.Count + 63) / 64];
        for (int i = 0; i < message.Recipients.Count; i++)
        {
            if (named.Length > 0 && _random.OneIn(2))
            {
                continue;
            }
            if (named.Length > 0)
            {
                named[i / 64] |= 1UL << (i % 64);
            }
            message.Recipients[i].Holds.Add((_checker.Tick(), hold));
        }
        _universe.Trace.Add("hold", $"{message.Token} {string.Join(' ', named)}", hold ? 1 : 0);
        _journal.Holds.Set(message.Handle, named, hold);
        _universe.Faults.Hit(named.Length > 0 ? "journal: hold of some" : "journal: hold of all");
    }

    private void RecordOutcome(ModelMessage message)
    {
        long moment = _checker.Tick();
        int attempts = 1 + _random.Next(9);
        long due = _universe.Time.GetUtcNow().ToUnixTimeMilliseconds() + _random.Next(1_000_000);
        var outcomes = new List<RecipientOutcome>();
        for (int i = 0; i < message.Recipients.Count; i++)
        {
            ModelRecipient recipient = message.Recipients[i];
            _universe.Require(_journal.IsPending(message.Handle, i) == (recipient.SettledAt == 0), $"pending state of {message.Token} {i}");
            if (recipient.SettledAt != 0 || _random.OneIn(3))
            {
                continue;
            }
            RecipientResult result = _random.Pick([RecipientResult.Delivered, RecipientResult.Deferred, RecipientResult.Dropped]);
            outcomes.Add(new RecipientOutcome(i, result));
            if (result == RecipientResult.Deferred)
            {
                recipient.Deferred.Add((moment, attempts, due));
            }
            else
            {
                recipient.SettledAt = moment;
            }
        }
        if (outcomes.Count == 0)
        {
            return;
        }
        _universe.Trace.Add("outcome", $"{message.Token} {message.Id} {string.Join(' ', outcomes.Select(static o => $"{o.Index}:{o.Result}"))}", attempts, due);
        bool settled = _journal.RecordOutcome(message.Handle, outcomes.ToArray(), due, attempts, Encoding.ASCII.GetBytes(JournalChecker.Reason(attempts)), new RecordedMove(Encoding.ASCII.GetBytes(JournalChecker.Target(attempts)), attempts * 1000L));
        _universe.Require(settled == message.IsSettled, $"{message.Token} settled: {settled}");
        _checker.Settled(message);
    }

    private async ValueTask BounceAsync()
    {
        var sleeper = new Sleeper(_host.Loop);
        var writer = new MessageWriter(_journal);
        var envelope = new EnvelopeBuilder();
        while (!_stopping)
        {
            await sleeper.SleepAsync(_random.Magnitude(100, 20_000));
            ModelMessage[] candidates = [.. _checker.Live.Where(static m => m.Recipients.All(static r => r.SettledBy is null))];
            if (candidates.Length == 0 || !_universe.Faults.On)
            {
                continue;
            }
            ModelMessage original = _random.Pick(candidates);
            int[] open = [.. Enumerable.Range(0, original.Recipients.Count).Where(i => original.Recipients[i].SettledAt == 0 && !_random.OneIn(3))];
            await WriteOneAsync(writer, envelope, sleeper, original, open);
        }
    }

    private async ValueTask ReadAsync()
    {
        var sleeper = new Sleeper(_host.Loop);
        while (!_stopping)
        {
            await sleeper.SleepAsync(_random.Magnitude(1, 2_000));
            if (_checker.Live.Count == 0)
            {
                continue;
            }
            ModelMessage message = _checker.Live[_random.Next(_checker.Live.Count)];
            BodyReader reader = _journal.OpenBody();
            reader.Start(message.Handle);
            BodyStatus status = await reader.PrepareAsync();
            _universe.Faults.Hit($"journal: read {status}");
            _universe.Require(status != BodyStatus.Corrupt, $"{message.Token} is damaged");
            if (status == BodyStatus.Ok)
            {
                await CompareAsync(reader, message, sleeper);
            }
            reader.Close();
        }
    }

    private async ValueTask CompareAsync(BodyReader reader, ModelMessage message, Sleeper sleeper)
    {
        var body = new MemoryStream();
        while (reader.TryNext(out ReadOnlyMemory<byte> piece))
        {
            if (_random.OneIn(3))
            {
                // A slow peer: the piece must not change under it, whatever is settled and recycled meanwhile.
                await sleeper.SleepAsync(_random.Magnitude(1, 30_000));
            }
            body.Write(piece.Span);
        }
        ulong hash = SimTrace.HashOf(body.GetBuffer().AsSpan(0, (int)body.Length));
        _universe.Require(hash == message.BodyHash && reader.Length == message.BodyLength, $"the body of {message.Token} is another one now");
    }
}
