namespace FastRelay.Outside.Linux;

/// <summary>
/// The 16 KiB buffers of one loop's links. A link has one only while it has bytes in hand, so the loop needs as many
/// as it has busy links, not open ones.
/// </summary>
internal sealed class LinkBuffers
{
    /// <summary>Buffers kept for reuse, 16 MiB; those past it are left to the collector.</summary>
    private const int Kept = 1024;

    // Pinned: they are handed to the kernel all the time, and must neither be moved nor keep others from moving.
    private readonly Free[] _free = new Free[Kept];
    private int _count;

    /// <summary>Buffers in use now.</summary>
    public int Rented { get; private set; }

    /// <summary>Takes a buffer of <see cref="Link.ReadBufferBytes"/> with arbitrary content.</summary>
    public byte[] Rent()
    {
        Rented++;
        if (_count == 0)
        {
            return GC.AllocateUninitializedArray<byte>(Link.ReadBufferBytes, pinned: true);
        }
        byte[] buffer = _free[--_count].Buffer!;
        _free[_count].Buffer = null;
        return buffer;
    }

    /// <summary>Gives a buffer back; nobody may touch it any more.</summary>
    public void Return(byte[] buffer)
    {
        Check.That(buffer.Length == Link.ReadBufferBytes && Rented > 0);
        Rented--;
        if (_count < Kept)
        {
            _free[_count++].Buffer = buffer;
        }
    }

    /// <summary>Takes note of a rented buffer that is left to the collector.</summary>
    public void Forget()
    {
        Check.That(Rented > 0);
        Rented--;
    }

    // An array of references asks at each store whether its type allows this one.
    private struct Free
    {
        public byte[]? Buffer;
    }
}
