using System.Globalization;
using FastRelay.Config;

namespace FastRelay.Journal;

/// <summary>What a file in the spool is, by its name.</summary>
internal enum SpoolFile : byte
{
    /// <summary>Not ours: ignored and named in the report.</summary>
    Foreign,

    /// <summary>A segment of the journal.</summary>
    Segment,

    /// <summary>A whole file kept ready.</summary>
    Spare,

    /// <summary>A spare that was being made: rubbish.</summary>
    Unfinished,

    /// <summary>A damaged segment that nothing needs any more, kept for the operator.</summary>
    Aside,

    /// <summary>The lock, and files of other stages.</summary>
    Beside,
}

/// <summary>Names of the spool's files: sixteen digits and what it is.</summary>
internal static class SegmentNames
{
    /// <summary>The file whose lock keeps other processes out.</summary>
    public const string Lock = "lock";

    /// <summary>The queue's list of the sites that the operator has suspended; a new one is made beside it as <c>suspensions.new</c>.</summary>
    public const string Suspensions = "suspensions";

    /// <summary>How far the event stream has told the journal; a new one is made beside it as <c>events.cursor.new</c>.</summary>
    public const string EventCursor = "events.cursor";

    private const int Digits = 16;

    /// <summary>As in <c>0000000000000042.seg</c>.</summary>
    public static string Segment(ulong number) => Name(number, ".seg");

    /// <summary>As in <c>0000000000000007.spare</c>; the number only tells spares apart.</summary>
    public static string Spare(ulong number) => Name(number, ".spare");

    /// <summary>As in <c>0000000000000007.new</c>.</summary>
    public static string Unfinished(ulong number) => Name(number, ".new");

    /// <summary>As in <c>0000000000000042.damaged</c>: the segment's number.</summary>
    public static string Aside(ulong number) => Name(number, ".damaged");

    /// <summary>Tells what a name is.</summary>
    public static SpoolFile Parse(string name, out ulong number)
    {
        number = 0;
        if (name is Lock or Suspensions or Suspensions + ".new" or EventCursor or EventCursor + ".new" or RelayConfig.SocketName)
        {
            return SpoolFile.Beside;
        }
        if (name.Length <= Digits || !ulong.TryParse(name.AsSpan(0, Digits), NumberStyles.None, CultureInfo.InvariantCulture, out number))
        {
            return SpoolFile.Foreign;
        }
        return name[Digits..] switch
        {
            ".seg" => SpoolFile.Segment,
            ".spare" => SpoolFile.Spare,
            ".new" => SpoolFile.Unfinished,
            ".damaged" => SpoolFile.Aside,
            _ => SpoolFile.Foreign,
        };
    }

    private static string Name(ulong number, string suffix) => number.ToString("D16", CultureInfo.InvariantCulture) + suffix;
}
