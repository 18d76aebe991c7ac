namespace FastRelay.Load;

/// <summary>
/// Which copies of which messages have come: one bit a copy, so that a second arrival shows. At most 64 runs and 2^31
/// copies of each (256 MiB); what lies beyond is not judged.
/// </summary>
public sealed class SequenceLedger
{
    private const int RunsMax = 64;
    private readonly Dictionary<uint, ulong[]> _runs = [];

    /// <summary>Different copies.</summary>
    public long Distinct { get; private set; }

    /// <summary>Arrivals of copies that had come before.</summary>
    public long Duplicates { get; private set; }

    /// <summary>Notes an arrival.</summary>
    public void Note(uint run, long copy)
    {
        if (copy > int.MaxValue || !TryRun(run, copy, out ulong[] bits))
        {
            return;
        }
        ulong bit = 1UL << (int)(copy & 63);
        if ((bits[copy >> 6] & bit) != 0)
        {
            Duplicates++;
            return;
        }
        bits[copy >> 6] |= bit;
        Distinct++;
    }

    private bool TryRun(uint run, long copy, out ulong[] bits)
    {
        bits = [];
        if (!_runs.TryGetValue(run, out ulong[]? known))
        {
            if (_runs.Count == RunsMax)
            {
                return false;
            }
            known = new ulong[16_384];
            _runs[run] = known;
        }
        if (copy >> 6 >= known.Length)
        {
            int length = known.Length;
            while (copy >> 6 >= length)
            {
                length *= 2;
            }
            Array.Resize(ref known, length);
            _runs[run] = known;
        }
        bits = known;
        return true;
    }
}
