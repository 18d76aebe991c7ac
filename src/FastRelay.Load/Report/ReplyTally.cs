namespace FastRelay.Load;

/// <summary>Counts replies by stage and code.</summary>
public sealed class ReplyTally
{
    private const int Codes = 600;
    private readonly long[] _counts = new long[((int)DialogueStage.Other + 1) * Codes];

    /// <summary>Counts one; a code that is none counts as 0.</summary>
    public void Count(DialogueStage stage, int code) => _counts[((int)stage * Codes) + ((uint)code < Codes ? code : 0)]++;

    /// <summary>Counts the reply at the front of the octets.</summary>
    public void Count(DialogueStage stage, ReadOnlySpan<byte> reply) =>
        Count(stage, reply.Length < 3 ? 0 : ((reply[0] - '0') * 100) + ((reply[1] - '0') * 10) + reply[2] - '0');

    /// <summary>Those that occurred, by stage and code.</summary>
    public IEnumerable<ReplyCount> All()
    {
        for (int i = 0; i < _counts.Length; i++)
        {
            if (_counts[i] > 0)
            {
                yield return new ReplyCount(((DialogueStage)(i / Codes)).ToString().ToLowerInvariant(), i % Codes, _counts[i]);
            }
        }
    }
}

/// <summary>One line of a tally.</summary>
/// <param name="At">Stage, lower case.</param>
/// <param name="Code">Reply code; 0 for what was no reply.</param>
/// <param name="Count">How often.</param>
public sealed record ReplyCount(string At, int Code, long Count);
