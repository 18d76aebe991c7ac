#pragma warning disable CA1822 // bodies follow
namespace FastRelay.Journal;

/// <summary>Can a body be read?</summary>
public enum BodyStatus : byte
{
    /// <summary>Whole and checked.</summary>
    Ok,

    /// <summary>Damaged: never to be delivered. The envelope may be intact.</summary>
    Corrupt,

    /// <summary>The disk did not give it; later it may.</summary>
    IoError,
}

/// <summary>The journal; its bodies follow this surface.</summary>
public sealed class BodyReader
{
    /// <summary>Pins the message's segments, so that they are not recycled.</summary>
    public void Start(MessageHandle message) => Length = message.Slot;

    /// <summary>Makes the body readable without blocking: at once for one written moments ago; else by the disk's read lane, which checks it.</summary>
    public ValueTask<BodyStatus> PrepareAsync() => new(BodyStatus.IoError);

    /// <summary>The envelope, from the map; valid until <see cref="Close"/>; after <see cref="PrepareAsync"/>.</summary>
    public Envelope Envelope => default;

    /// <summary>Octets of the body in stored form.</summary>
    public long Length { get; private set; }

    /// <summary>Dots that stuffing added to it.</summary>
    public int StuffedDots { get; private set; }

    /// <summary>The next piece of the body in stored form; memory of the map, valid until <see cref="Close"/>.</summary>
    public bool TryNext(out ReadOnlyMemory<byte> piece)
    {
        piece = default;
        return false;
    }

    /// <summary>Unpins, and gives the reader back to the journal; not during a wait.</summary>
    public void Close() => StuffedDots = 0;
}
