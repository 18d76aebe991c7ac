using System.Text;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>
/// The file of an event stream, which outlives relays. Lines reach the system late and in order, and the platter when a sync was
/// asked for: a kill takes what the relay had not written, a power cut what was not synced.
/// </summary>
internal sealed class SimEvents(SimUniverse universe, SimRandom random)
{
    private readonly List<string> _lines = [];
    private int _durable;

    /// <summary>What whoever reads the file finds.</summary>
    public IReadOnlyList<string> Lines => _lines;

    /// <summary>The file as a relay opens it.</summary>
    public Output Open(SimHost host) => new Appender(this, host);

    /// <summary>The machine stops.</summary>
    public void PowerOff(bool keepCache)
    {
        int left = keepCache ? _lines.Count : _durable + random.Next(_lines.Count - _durable + 1);
        if (left < _lines.Count)
        {
            universe.Faults.Hit("events: lines lost with the power");
        }
        _lines.RemoveRange(left, _lines.Count - left);
        _durable = left;
    }

    private sealed class Appender(SimEvents file, SimHost host) : Output
    {
        private readonly Queue<string> _waiting = new();
        private long _taken;
        private long _passed;
        private long _kept;
        private bool _writes;
        private bool _syncs;

        public override long Dropped => 0;

        public override long Taken => _taken;

        public override long Passed => _passed;

        public override long Kept => _kept;

        public override bool TryWrite(ReadOnlySpan<byte> line)
        {
            _waiting.Enqueue(Encoding.UTF8.GetString(line));
            _taken += line.Length;
            if (!_writes)
            {
                _writes = true;
                host.After(file.Delay(), Write);
            }
            return true;
        }

        public override void MakeDurable()
        {
            if (!_syncs)
            {
                _syncs = true;
                host.After(file.Delay(), Sync);
            }
        }

        private void Write()
        {
            _writes = false;
            for (int i = _waiting.Count; i > 0; i--)
            {
                string line = _waiting.Dequeue();
                _passed += Encoding.UTF8.GetByteCount(line);
                file._lines.Add(line.TrimEnd('\n'));
            }
        }

        private void Sync()
        {
            _syncs = false;
            file._durable = file._lines.Count;
            _kept = _passed;
        }
    }

    // Mostly a moment, now and then as long as a disk that is busy with others.
    private long Delay() => random.Magnitude(1, 3_000) * 1_000_000;
}
