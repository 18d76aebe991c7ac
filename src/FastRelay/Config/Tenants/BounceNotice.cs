namespace FastRelay.Config;

/// <summary>How it is said that a recipient failed for good.</summary>
public enum BounceNotice : byte
{
    /// <summary>A report by mail to the sender (RFC 3464).</summary>
    Dsn,

    /// <summary>The <c>failed</c> event alone; reports of delays and of success are not mailed either.</summary>
    Event,

    /// <summary>Both: as <see cref="Dsn"/>, and there must be an event stream.</summary>
    Both,
}
