using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>
/// What lies between two links: per direction a send buffer, the piece on its way and a receive buffer. Pieces arrive in
/// order, cut as the profile says.
/// </summary>
internal sealed class SimConnection(SimWire wire, LinkProfile profile, long id)
{
    private readonly Direction[] _directions = [new(), new()];
    private SimLink[] _ends = [];
    private long _moved;
    private bool _stalled;
    private bool _reset;

    public LinkProfile Profile => profile;

    public long Id => id;

    public void Join(SimLink near, SimLink far)
    {
        _ends = [near, far];
        for (int i = 0; i < 2; i++)
        {
            _directions[i].SingleBytes = profile.SingleBytes;
        }
        if (profile.SingleBytes > 0)
        {
            wire.Universe.Faults.Hit("link one-byte pieces");
        }
    }

    /// <summary>Takes what fits into the send buffer.</summary>
    public int Send(SimLink from, ReadOnlySpan<byte> data)
    {
        Direction direction = Of(from);
        if (_reset)
        {
            // The other end is gone and this one does not know yet: lost on the way.
            return data.Length;
        }
        int count = Math.Min(data.Length, profile.SendBytes - direction.SendBuffer.Count);
        direction.SendBuffer.Append(data[..count]);
        Pump(from);
        return count;
    }

    /// <summary>What has arrived at this end and was not read.</summary>
    public ByteQueue Received(SimLink at) => Of(Other(at)).ReceiveBuffer;

    /// <summary>True when the other end's FIN has arrived.</summary>
    public bool FinArrived(SimLink at) => Of(Other(at)).FinArrived;

    /// <summary>The reader made room.</summary>
    public void Consumed(SimLink at) => Pump(Other(at));

    /// <summary>No more bytes from this end: FIN follows what is in the send buffer.</summary>
    public void Fin(SimLink from)
    {
        Of(from).FinQueued = true;
        Pump(from);
    }

    /// <summary>Nobody will read at this end any more: what still arrives is answered by a reset.</summary>
    public void StopReading(SimLink at) => Of(Other(at)).NobodyReads = true;

    /// <summary>This end cuts the connection; the other learns it after a while.</summary>
    public void Reset(SimLink from, long delayNs)
    {
        if (_reset)
        {
            return;
        }
        _reset = true;
        wire.Universe.After(null, delayNs, () => Other(from).WasReset());
    }

    private Direction Of(SimLink from) => _directions[from == _ends[0] ? 0 : 1];

    private SimLink Other(SimLink end) => end == _ends[0] ? _ends[1] : _ends[0];

    private void Pump(SimLink from)
    {
        Direction direction = Of(from);
        int room = direction.NobodyReads ? int.MaxValue : profile.ReceiveBytes - direction.ReceiveBuffer.Count;
        bool hasFin = direction.FinQueued && !direction.FinArrived && direction.SendBuffer.Count == 0;
        bool hasData = direction.SendBuffer.Count > 0 && room > 0;
        if (_reset || direction.Moving || (!hasData && !hasFin))
        {
            return;
        }
        direction.Moving = true;
        long delayNs = profile.LatencyNs + wire.Random.NextInt64(profile.JitterNs + 1);
        if (profile.StallAfter >= 0 && !_stalled && _moved >= profile.StallAfter)
        {
            _stalled = true;
            wire.Universe.Faults.Hit("link stall");
            delayNs += profile.StallNs;
        }
        wire.Universe.After(null, delayNs, () => Move(from));
    }

    private void Move(SimLink from)
    {
        Direction direction = Of(from);
        direction.Moving = false;
        if (_reset)
        {
            return;
        }
        if (profile.ResetAfter >= 0 && _moved >= profile.ResetAfter)
        {
            NetworkReset();
            return;
        }
        if (direction.SendBuffer.Count == 0)
        {
            direction.FinArrived = true;
            wire.Universe.Trace.Add("fin", id);
            Other(from).Arrived();
            return;
        }
        if (direction.NobodyReads)
        {
            wire.Universe.Trace.Add("reset by closed end", id);
            _reset = true;
            from.WasReset();
            return;
        }
        int room = profile.ReceiveBytes - direction.ReceiveBuffer.Count;
        int limit = direction.SingleBytes > 0 ? 1 : 1 + wire.Random.Next(profile.PieceBytes);
        int count = Math.Min(Math.Min(direction.SendBuffer.Count, room), limit);
        direction.SingleBytes -= Math.Min(count, direction.SingleBytes);
        ReadOnlySpan<byte> piece = direction.SendBuffer.Peek(count);
        wire.Universe.Trace.Add("bytes", piece);
        direction.ReceiveBuffer.Append(piece);
        direction.SendBuffer.Skip(count);
        _moved += count;
        Other(from).Arrived();
        from.HasRoom();
        Pump(from);
    }

    private void NetworkReset()
    {
        _reset = true;
        wire.Universe.Faults.Hit("link reset");
        wire.Universe.Trace.Add("reset", id);
        _ends[0].WasReset();
        _ends[1].WasReset();
    }

    private sealed class Direction
    {
        public readonly ByteQueue SendBuffer = new();
        public readonly ByteQueue ReceiveBuffer = new();
        public int SingleBytes;
        public bool Moving;
        public bool FinQueued;
        public bool FinArrived;
        public bool NobodyReads;
    }
}
