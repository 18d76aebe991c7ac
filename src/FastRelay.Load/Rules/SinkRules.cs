using System.Net;

namespace FastRelay.Load;

/// <summary>What the rules say to one step of a dialogue.</summary>
/// <param name="Kind">What to do instead of, or before, the normal answer.</param>
/// <param name="DelayMs">Wait first.</param>
/// <param name="Reply">With CRLF; for <see cref="FaultKind.Reply"/>.</param>
public readonly record struct RuleVerdict(FaultKind Kind, int DelayMs, byte[]? Reply);

/// <summary>
/// The scenario at work, for all sessions of a sink: draws faults, keeps the sliding windows and the greylist. Pure: time
/// and chance are given. Its memory is bounded; a table that is full starts afresh, as a restarted server does.
/// </summary>
public sealed class SinkRules
{
    /// <summary>Keys that one cap keeps windows for.</summary>
    private const int WindowsMax = 65_536;

    /// <summary>Triplets in the greylist.</summary>
    private const int GreylistMax = 1_000_000;

    private static readonly byte[] s_greylisted = [.. "451 4.7.1 Greylisted, please try again later\r\n"u8];

    private readonly SinkScenario _scenario;
    private readonly Random _random;
    private readonly FaultRule[][] _faults;
    private readonly RateRule[] _rates;
    private readonly Dictionary<ulong, RateWindow>[] _windows;
    private readonly Dictionary<ulong, long> _greylist = [];

    /// <summary>Sets the scenario up.</summary>
    /// <param name="scenario">What to do.</param>
    /// <param name="random">Draws the odds; a seeded one repeats itself.</param>
    public SinkRules(SinkScenario scenario, Random random)
    {
        _scenario = scenario;
        _random = random;
        _faults = new FaultRule[(int)DialogueStage.Other + 1][];
        for (int stage = 0; stage < _faults.Length; stage++)
        {
            _faults[stage] = [.. scenario.Faults.Where(f => (int)f.At == stage)];
        }
        _rates = [.. scenario.Rates];
        _windows = [.. _rates.Select(_ => new Dictionary<ulong, RateWindow>())];
    }

    /// <summary>The scenario.</summary>
    public SinkScenario Scenario => _scenario;

    /// <summary>True when no step at all needs to be judged.</summary>
    public bool IsIdeal => _scenario.Faults.Count == 0 && _rates.Length == 0 && _scenario.GreylistMs == 0;

    /// <summary>Judges a step that the normal course would let pass.</summary>
    /// <param name="stage">Where.</param>
    /// <param name="local">The sink's address.</param>
    /// <param name="client">The client's address, as a key.</param>
    /// <param name="sender">Reverse-path without brackets; for RCPT.</param>
    /// <param name="recipient">Forward-path without brackets; for RCPT.</param>
    /// <param name="nowMs">Monotonic.</param>
    public RuleVerdict Judge(DialogueStage stage, IPAddress local, ulong client, ReadOnlySpan<byte> sender, ReadOnlySpan<byte> recipient, long nowMs)
    {
        RuleVerdict verdict = Draw(stage, local, recipient);
        if (verdict.Kind is FaultKind.None or FaultKind.Delay && Capped(stage, client, recipient, nowMs) is { } capped)
        {
            return verdict with { Kind = FaultKind.Reply, Reply = capped };
        }
        if (verdict.Kind is FaultKind.None or FaultKind.Delay && stage == DialogueStage.Rcpt && _scenario.GreylistMs > 0 && IsNew(client, sender, recipient, nowMs))
        {
            return verdict with { Kind = FaultKind.Reply, Reply = s_greylisted };
        }
        return verdict;
    }

    private RuleVerdict Draw(DialogueStage stage, IPAddress local, ReadOnlySpan<byte> recipient)
    {
        foreach (FaultRule rule in _faults[(int)stage])
        {
            bool applies = (rule.Local is null || rule.Local.Equals(local))
                && (rule.Domain is null || System.Text.Ascii.EqualsIgnoreCase(DomainOf(recipient), rule.Domain));
            if (applies && (rule.Odds >= 1 || _random.NextDouble() < rule.Odds))
            {
                return new RuleVerdict(rule.Kind, rule.DelayMs, rule.Reply);
            }
        }
        return default;
    }

    private byte[]? Capped(DialogueStage stage, ulong client, ReadOnlySpan<byte> recipient, long nowMs)
    {
        for (int i = 0; i < _rates.Length; i++)
        {
            RateRule rule = _rates[i];
            DialogueStage judged = rule.Unit switch
            {
                RateUnit.Connections => DialogueStage.Banner,
                RateUnit.Messages => DialogueStage.Mail,
                _ => DialogueStage.Rcpt,
            };
            if (judged == stage && !Window(i, rule, client, recipient).TryAdmit(nowMs))
            {
                return rule.Reply;
            }
        }
        return null;
    }

    private RateWindow Window(int index, RateRule rule, ulong client, ReadOnlySpan<byte> recipient)
    {
        ulong key = rule.Scope switch
        {
            RateScope.Address => client,
            RateScope.Domain => HashLower(DomainOf(recipient), 0),
            _ => 0,
        };
        Dictionary<ulong, RateWindow> windows = _windows[index];
        if (!windows.TryGetValue(key, out RateWindow? window))
        {
            if (windows.Count >= WindowsMax)
            {
                windows.Clear();
            }
            window = new RateWindow(rule.Count, rule.WindowMs);
            windows.Add(key, window);
        }
        return window;
    }

    private bool IsNew(ulong client, ReadOnlySpan<byte> sender, ReadOnlySpan<byte> recipient, long nowMs)
    {
        ulong key = HashLower(recipient, HashLower(sender, client));
        if (_greylist.TryGetValue(key, out long first))
        {
            return nowMs - first < _scenario.GreylistMs;
        }
        if (_greylist.Count >= GreylistMax)
        {
            _greylist.Clear();
        }
        _greylist.Add(key, nowMs);
        return true;
    }

    private static ReadOnlySpan<byte> DomainOf(ReadOnlySpan<byte> mailbox) => mailbox[(mailbox.LastIndexOf((byte)'@') + 1)..];

    private static ulong HashLower(ReadOnlySpan<byte> text, ulong seed)
    {
        // FNV-1a: tables of a test tool, keyed by what the tester himself sends.
        ulong hash = 14695981039346656037 ^ seed;
        foreach (byte octet in text)
        {
            byte lower = octet is >= (byte)'A' and <= (byte)'Z' ? (byte)(octet | 0x20) : octet;
            hash = (hash ^ lower) * 1099511628211;
        }
        return hash;
    }
}
