namespace FastRelay.Load;

/// <summary>What a sink has seen. Written by its loop only; other threads may read a figure that is a moment old.</summary>
public sealed class SinkCounters
{
    /// <summary>Connections accepted, those turned away included.</summary>
    public long Connections { get; internal set; }

    /// <summary>Open now.</summary>
    public long Sessions { get; internal set; }

    /// <summary>Most open at once.</summary>
    public long SessionsPeak { get; internal set; }

    /// <summary>Messages answered 250.</summary>
    public long Messages { get; internal set; }

    /// <summary>Messages answered otherwise, after their last octet.</summary>
    public long MessagesRefused { get; internal set; }

    /// <summary>Recipients of the messages answered 250.</summary>
    public long Recipients { get; internal set; }

    /// <summary>Octets of messages in wire form.</summary>
    public long Bytes { get; internal set; }

    /// <summary>Connections that ended within a message.</summary>
    public long Broken { get; internal set; }

    /// <summary>Connections that the scenario closed, reset or stalled.</summary>
    public long Cut { get; internal set; }

    /// <summary>Connections secured.</summary>
    public long Tls { get; internal set; }

    /// <summary>Handshakes that failed.</summary>
    public long TlsFailed { get; internal set; }

    /// <summary>Checked messages with the body that was sent.</summary>
    public long Intact { get; internal set; }

    /// <summary>Checked messages with another body.</summary>
    public long Damaged { get; internal set; }

    /// <summary>Checked messages without a mark.</summary>
    public long Unmarked { get; internal set; }

    /// <summary>Replies by stage and code.</summary>
    public ReplyTally Replies { get; } = new();

    /// <summary>Arrivals of marked messages.</summary>
    public SequenceLedger Ledger { get; } = new();

    /// <summary>From reading a command, or the end of a message, to its reply being written, by stage; tarpits included.</summary>
    public IReadOnlyList<Latency> Answers { get; } = [.. Enum.GetValues<DialogueStage>().Select(_ => new Latency())];

    /// <summary>From 354 to the end of the content: how fast clients send.</summary>
    public Latency Content { get; } = new();

    /// <summary>From sending at the source, as the mark says, to our 250: the relay's latency.</summary>
    public Latency EndToEnd { get; } = new();

    /// <summary>As <see cref="EndToEnd"/>, of the sample under way.</summary>
    public Latency Recent { get; } = new();
}
