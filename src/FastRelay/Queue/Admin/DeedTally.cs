namespace FastRelay.Queue;

/// <summary>What came of a deed. Of a message with several destinations the last in this order counts.</summary>
public enum DeedResult : byte
{
    /// <summary>It was gone by then.</summary>
    None,

    /// <summary>Its envelope cannot be read, so that its destinations cannot be told apart.</summary>
    Unreadable,

    /// <summary>There was nothing to do: held, released, removed, bounced or moved it was before.</summary>
    Already,

    /// <summary>It is held, and a retry leaves it so.</summary>
    Held,

    /// <summary>It is being removed, bounced or given up: that goes on.</summary>
    Ending,

    /// <summary>It was looked at, which was all.</summary>
    Seen,

    /// <summary>It is being delivered: what is left of it then is held, removed and so on.</summary>
    Later,

    /// <summary>It was done.</summary>
    Done,
}

/// <summary>How many messages a deed came to what for.</summary>
public sealed class DeedTally
{
    private readonly long[] _messages = new long[(int)DeedResult.Done + 1];

    /// <summary>Messages for which it came to this.</summary>
    public long this[DeedResult result] => _messages[(int)result];

    /// <summary>Messages for which it was done, or is when their delivery is over.</summary>
    public long Changed => this[DeedResult.Seen] + this[DeedResult.Later] + this[DeedResult.Done];

    /// <summary>Messages that were there.</summary>
    public long Found => Changed + this[DeedResult.Unreadable] + this[DeedResult.Already] + this[DeedResult.Held] + this[DeedResult.Ending];

    internal void Add(DeedResult result) => _messages[(int)result]++;

    internal void Add(DeedTally other)
    {
        for (int i = 0; i < _messages.Length; i++)
        {
            _messages[i] += other._messages[i];
        }
    }
}
