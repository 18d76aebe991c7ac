using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FastRelay;

/// <summary>
/// An array outside the collector's heap, for what grows with the queue: it is not allocated, walked, moved or promoted
/// by the collector, so ten million queued messages make no collection longer.
/// </summary>
/// <typeparam name="T">Without references.</typeparam>
public sealed unsafe class NativeArray<T>
    where T : unmanaged
{
    private T* _items;

    /// <summary>Creates an array of zeros.</summary>
    /// <exception cref="OutOfMemoryException">The host has no more memory.</exception>
    public NativeArray(int length)
    {
        Check.That(length > 0);
        Length = length;
        _items = (T*)NativeMemory.AllocZeroed((nuint)length, (nuint)sizeof(T));
    }

    /// <summary>Frees the pages of a journal or queue that is no longer used; the product keeps its own for life.</summary>
    ~NativeArray() => NativeMemory.Free(_items);

    /// <summary>Elements.</summary>
    public int Length { get; private set; }

    /// <summary>An element in place; valid until <see cref="Reset"/>.</summary>
    public ref T this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            Check.That((uint)index < (uint)Length, "an index outside its array");
            return ref _items[index];
        }
    }

    /// <summary>All elements; valid until <see cref="Reset"/>.</summary>
    public Span<T> Span => new(_items, Length);

    /// <summary>Frees its elements and makes others, zeros, in their place; allocates no object.</summary>
    public void Reset(int length)
    {
        Check.That(length > 0);
        NativeMemory.Free(_items);
        _items = null;
        _items = (T*)NativeMemory.AllocZeroed((nuint)length, (nuint)sizeof(T));
        Length = length;
    }
}
