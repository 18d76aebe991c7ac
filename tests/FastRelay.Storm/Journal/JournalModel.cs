using FastRelay.Journal;

namespace FastRelay.Storm;

/// <summary>Where a message of the model stands.</summary>
internal enum ModelState
{
    /// <summary>Its commit is under way: a crash may keep or lose it.</summary>
    InDoubt,

    /// <summary>Its commit was reported: it must never be lost.</summary>
    Acknowledged,

    /// <summary>Its commit was refused, or it never ended: it must not appear.</summary>
    Refused,
}

/// <summary>One recipient as the model knows it.</summary>
internal sealed class ModelRecipient
{
    /// <summary>The step at which it was recorded as settled; 0 when it was not.</summary>
    public long SettledAt { get; set; }

    /// <summary>That record is durable for certain.</summary>
    public bool SettledForCertain { get; set; }

    /// <summary>The bounce whose commit would settle it.</summary>
    public ModelMessage? SettledBy { get; set; }

    /// <summary>Deferred outcomes in the order they were recorded: attempts, due time, durable for certain.</summary>
    public List<(long At, int Attempts, long DueUnixMs)> Deferred { get; } = [];

    /// <summary>Hold as last set, and as the last state that is durable for certain.</summary>
    public List<(long At, bool Hold)> Holds { get; } = [(0, false)];
}

/// <summary>One message as the model knows it.</summary>
internal sealed class ModelMessage(string token, byte[] body, int recipients)
{
    public string Token => token;

    public ModelState State { get; set; } = ModelState.InDoubt;

    /// <summary>For a refused one: a commit was reported after it, so its group is sealed off for ever.</summary>
    public bool RefusedForCertain { get; set; }

    public ulong BodyHash { get; } = SimTrace.HashOf(body);

    public int BodyLength => body.Length;

    public MessageId Id { get; set; }

    public MessageHandle Handle { get; set; } = MessageHandle.None;

    public IReadOnlyList<ModelRecipient> Recipients { get; } = [.. Enumerable.Range(0, recipients).Select(static _ => new ModelRecipient())];

    public bool IsSettled => Recipients.All(static r => r.SettledAt != 0);

    public bool IsSettledForCertain => Recipients.All(static r => r.SettledForCertain);
}

/// <summary>A message as a restart brought it back.</summary>
internal sealed record ReplayedMessage(
    string Token,
    MessageHandle Handle,
    bool[] Pending,
    bool[] Held,
    (int Attempts, long DueUnixMs)?[] Deferred);
