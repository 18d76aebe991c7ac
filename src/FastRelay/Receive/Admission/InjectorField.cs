using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>
/// A header field in which a named injector says something about its message. It is cut out whether its value is good or not; from
/// others it is a field like any other, which a signature may cover.
/// </summary>
internal struct InjectorField
{
    private FieldCutter? _cutter;
    private byte[]? _name;

    /// <summary>The client of this message may use it.</summary>
    public bool Cuts { get; private set; }

    /// <summary>The value; empty when there is none.</summary>
    public readonly ReadOnlySpan<byte> Value => Cuts ? _cutter!.Value : default;

    /// <summary>Octets that were cut out.</summary>
    public readonly long Octets => Cuts ? _cutter!.Octets : 0;

    /// <summary>Octets of room that it needs behind a piece.</summary>
    public readonly int Room => Cuts ? FieldCutter.HeldMax : 0;

    /// <summary>A new message.</summary>
    public void Begin(bool cuts, byte[] name)
    {
        Cuts = cuts;
        if (!cuts)
        {
            return;
        }
        if (_cutter is null || _name != name)
        {
            // Another one after a change of the configuration.
            _cutter = new FieldCutter(name);
            _name = name;
        }
        _cutter.Reset();
    }

    /// <summary>See <see cref="FieldCutter.Cut"/>.</summary>
    public readonly int Cut(Span<byte> room, int length) => Cuts ? _cutter!.Cut(room, length) : length;
}
