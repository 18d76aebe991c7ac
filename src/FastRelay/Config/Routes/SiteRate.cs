using System.Globalization;

namespace FastRelay.Config;

/// <summary>What a rate of a site counts.</summary>
public enum SiteRateUnit : byte
{
    /// <summary>Transactions begun.</summary>
    Messages,

    /// <summary>Connections dialled.</summary>
    Connections,

    /// <summary>Octets of the messages whose transactions are begun, in stored form.</summary>
    Octets,
}

/// <summary>So many in any window of time, wherever it begins.</summary>
/// <param name="Unit">What is counted.</param>
/// <param name="Count">1 to <see cref="CountMax"/>; octets to <see cref="OctetsMax"/>.</param>
/// <param name="WindowMs">The window, 1 s to 30 days, ms.</param>
public sealed record SiteRate(SiteRateUnit Unit, long Count, long WindowMs)
{
    /// <summary>Most messages or connections of a window.</summary>
    public const int CountMax = 100_000_000;

    /// <summary>Most octets of a window: 1 PiB.</summary>
    public const long OctetsMax = 1L << 50;

    /// <summary>The longest window, ms: 30 days.</summary>
    public const long WindowMsMax = 30 * 86_400_000L;

    private const string MessagesWord = " messages";
    private const string ConnectionsWord = " connections";

    /// <summary>Reads <c>100 messages/1m</c>, <c>20 connections/10s</c>, <c>50MiB/1h</c>; null for anything else and for what is out of bounds.</summary>
    public static SiteRate? Parse(string text)
    {
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash <= 0 || !ConfigText.TryParseDuration(text[(slash + 1)..], out long windowMs) || windowMs is < 1_000 or > WindowMsMax)
        {
            return null;
        }
        string amount = text[..slash];
        if (Counted(amount, MessagesWord) is { } messages)
        {
            return new SiteRate(SiteRateUnit.Messages, messages, windowMs);
        }
        if (Counted(amount, ConnectionsWord) is { } connections)
        {
            return new SiteRate(SiteRateUnit.Connections, connections, windowMs);
        }
        return ConfigText.TryParseSize(amount, out long octets) && octets is > 0 and <= OctetsMax
            ? new SiteRate(SiteRateUnit.Octets, octets, windowMs)
            : null;
    }

    /// <summary>As the configuration writes it.</summary>
    public override string ToString() => $"{Amount}/{ConfigText.FormatDuration(WindowMs)}";

    /// <summary>The number with its unit, as in <c>100 messages</c> or <c>50MiB</c>.</summary>
    public string Amount => Unit switch
    {
        SiteRateUnit.Messages => string.Create(CultureInfo.InvariantCulture, $"{Count}{MessagesWord}"),
        SiteRateUnit.Connections => string.Create(CultureInfo.InvariantCulture, $"{Count}{ConnectionsWord}"),
        _ => ConfigText.FormatSize(Count),
    };

    private static long? Counted(string amount, string word) =>
        amount.EndsWith(word, StringComparison.Ordinal)
        && int.TryParse(amount.AsSpan(0, amount.Length - word.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int count)
        && count is > 0 and <= CountMax ? count : null;
}
