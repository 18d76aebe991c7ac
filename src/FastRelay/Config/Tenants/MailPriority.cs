namespace FastRelay.Config;

/// <summary>How urgent a message is among those of its tenant (docs/decisions/0024). The values are stored.</summary>
public enum MailPriority : byte
{
    /// <summary>What is not said to be anything else.</summary>
    Normal = 0,

    /// <summary>Goes before the others.</summary>
    High = 1,

    /// <summary>Goes when the others leave room, and has a share all the same.</summary>
    Low = 2,
}

/// <summary>Priorities as files, headers and people write them.</summary>
public static class MailPriorities
{
    /// <summary>How many there are.</summary>
    public const int Count = 3;

    /// <summary>The words, by value.</summary>
    internal static readonly string[] Words = ["normal", "high", "low"];

    /// <summary>As it is written.</summary>
    public static string Word(this MailPriority priority) => Words[(int)priority];

    /// <summary>The same in octets, without allocating.</summary>
    public static ReadOnlySpan<byte> Utf8Word(this MailPriority priority) => priority switch
    {
        MailPriority.High => "high"u8,
        MailPriority.Low => "low"u8,
        _ => "normal"u8,
    };

    /// <summary>The word where it says something: empty for normal.</summary>
    public static ReadOnlySpan<byte> Utf8Said(this MailPriority priority) => priority == MailPriority.Normal ? default : priority.Utf8Word();

    /// <summary>Place in the order of service, 0 first.</summary>
    public static int Rank(this MailPriority priority) => priority switch
    {
        MailPriority.High => 0,
        MailPriority.Low => 2,
        _ => 1,
    };

    /// <summary>Reads a word, upper and lower case alike.</summary>
    public static bool TryParse(ReadOnlySpan<byte> word, out MailPriority priority)
    {
        for (int i = 0; i < Count; i++)
        {
            priority = (MailPriority)i;
            if (System.Text.Ascii.EqualsIgnoreCase(word, priority.Utf8Word()))
            {
                return true;
            }
        }
        priority = MailPriority.Normal;
        return false;
    }
}
