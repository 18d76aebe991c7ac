using System.Text;
using System.Text.RegularExpressions;

namespace FastRelay.Storm;

/// <summary>
/// What a disk does to files while the machine is off: bits of bodies flip, whole blocks are zeroed, swapped or filled with
/// rubbish. It says which messages it hit, so that all others can be held to the promise.
/// </summary>
internal sealed partial class StormDamage(SimUniverse universe, SimStorage storage, MailChecker checker, SimRandom random)
{
    private const int Block = 4096;

    /// <summary>Flips a bit in the stored content of a queued message: its head stays intact, so it must be bounced, not lost.</summary>
    public void RotBody()
    {
        MailMessage[] owed = [.. checker.Messages.Where(static m => m.State == MailState.Acknowledged && m.Recipients.Any(static r => !r.IsAccounted && !r.Failed))];
        if (owed.Length == 0)
        {
            return;
        }
        MailMessage message = random.Pick(owed);
        byte[] subject = Encoding.ASCII.GetBytes($"\r\nSubject: {message.Token}\r\n");
        foreach (string path in Sealed())
        {
            int at = storage.Content(path).Span.IndexOf(subject);
            if (at >= 0)
            {
                universe.Faults.Hit("rot in a body");
                universe.Trace.Add("rot", message.Token, at);
                storage.Rot(path, at + 5, (byte)(1 << random.Next(8)));
                message.IsRotten = true;
            }
        }
    }

    /// <summary>Destroys a block of a sealed segment; every message with a piece in that segment may be lost, and what it settled is forgotten.</summary>
    public void LoseBlock()
    {
        string[] paths = [.. Sealed()];
        if (paths.Length == 0)
        {
            return;
        }
        string path = random.Pick(paths);
        ReadOnlySpan<byte> content = storage.Content(path).Span;
        int used = content.LastIndexOfAnyExcept((byte)0);
        string kind = random.Pick(["zeroed", "rubbish", "another block", "one bit"]);
        int block = random.Next(6) switch
        {
            0 => 0,
            1 or 2 => used / Block,
            _ => random.Next(Math.Max(1, used / Block)),
        };
        universe.Faults.Hit($"block lost: {kind}");
        universe.Trace.Add("block lost", path, block);
        foreach (Match match in Token().Matches(Encoding.Latin1.GetString(content)))
        {
            if (checker.ByToken(match.Groups[1].Value) is { } message)
            {
                message.IsDamaged = true;
            }
        }
        checker.RecordsLost = true;
        byte[] bytes = content.Slice(block * Block, Math.Min(Block, content.Length - (block * Block))).ToArray();
        byte[] other = kind switch
        {
            "zeroed" => new byte[bytes.Length],
            "another block" => content.Slice(random.Next(Math.Max(1, used / Block)) * Block, bytes.Length).ToArray(),
            _ => bytes.ToArray(),
        };
        if (kind == "rubbish")
        {
            random.NextBytes(other);
        }
        else if (kind == "one bit")
        {
            other[random.Next(other.Length)] ^= (byte)(1 << random.Next(8));
        }
        for (int i = 0; i < bytes.Length; i++)
        {
            storage.Rot(path, (block * Block) + i, (byte)(bytes[i] ^ other[i]));
        }
    }

    /// <summary>Segments but the newest: what is bad at the end of that one may be a torn group, which nobody was promised.</summary>
    private IEnumerable<string> Sealed() =>
        storage.Files().Where(static f => f.EndsWith(".seg", StringComparison.Ordinal)).Order(StringComparer.Ordinal).SkipLast(1);

    [GeneratedRegex(@"\.(m\d+)@")]
    private static partial Regex Token();
}
