// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC721} from "solady/tokens/ERC721.sol";
import {CallContextChecker} from "solady/utils/CallContextChecker.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {ILeaseEdits} from "interfaces/ILeaseEdits.sol";
import {IServiceBond} from "interfaces/IServiceBond.sol";
import {ITelemetryOracle} from "interfaces/ITelemetryOracle.sol";
import {Calendar} from "./Calendar.sol";
import {Funding} from "./Funding.sol";
import {LeaseBook} from "./LeaseBook.sol";
import {Ledger, ledgerOf} from "./Ledger.sol";

/// @title The part of the lease engine that ends, splits and merges leases
/// @notice See ILeaseEdits for the whole documentation. ComputeLease runs this code by delegatecall,
/// on its own storage; called directly, it refuses.
contract LeaseEdits is ILeaseEdits, LeaseBook, CallContextChecker {
    using Calendar for mapping(uint256 word => uint256 lanes);
    using FixedPointMathLib for uint256;
    using Funding for Lease;
    using SafeCastLib for uint256;
    using SafeTransferLib for address;

    /// @dev Of a forfeited deposit, to whoever frees the units of a lease that was not paid on.
    uint256 internal constant BOUNTY_BPS = 100;
    /// @dev What a lease must bid for another's units, of the other's rent.
    uint256 internal constant EVICTION_BPS = 10_500;
    /// @dev A lease can be left for cause when its last epochs' credits sum to half their rent.
    uint256 internal constant CAUSE_EPOCHS = 10;
    uint256 internal constant CAUSE_BPS = (CAUSE_EPOCHS * BPS) / 2;
    /// @dev See `_forfeit`.
    uint256 internal constant MAX_FORFEITED = 1 << 119;

    /// @param capacity As in the engine that runs this.
    /// @param telemetry As in the engine that runs this.
    /// @param bond As in the engine that runs this.
    constructor(
        IComputeCapacity capacity,
        ITelemetryOracle telemetry,
        IServiceBond bond
    ) LeaseBook(capacity, telemetry, bond) {}

    // ------------------------------------------------------------------ ending

    /// @inheritdoc ILeaseEdits
    function lapse(uint256 leaseId) external onlyProxy returns (uint256 bounty) {
        Lease memory signed = _leaseOf(leaseId);
        uint256 capacity = _capacityOf(leaseId);
        uint256 earliest = _earliest(capacity);
        require(signed.isLapsed(earliest), NotLapsed(leaseId, signed.fundedTo));

        Settlement memory moved;
        moved.end = signed.fundedTo;
        moved.forfeited = signed.depositEpochs;
        bounty = (_rateOf(signed) * signed.depositEpochs).mulDiv(BOUNTY_BPS, BPS);
        // Epochs that have begun stay as they were; units are free from the next one on.
        _end(leaseId, signed, Ending.LAPSED, moved, earliest, bounty);
    }

    /// @inheritdoc ILeaseEdits
    function terminate(uint256 leaseId) external onlyProxy returns (Settlement memory moved) {
        Lease memory signed = _leaseOf(leaseId);
        _requireTenant(leaseId);
        uint256 earliest = _earliest(_capacityOf(leaseId));
        _requireNotLapsed(leaseId, signed, earliest);
        uint256 stop = _noticedEnd(leaseId, signed, earliest);
        _requireConsent(leaseId, stop);

        moved = signed.endedByTenant(stop);
        _end(leaseId, signed, Ending.TERMINATED, moved, stop, 0);
    }

    /// @inheritdoc ILeaseEdits
    function exitForCause(uint256 leaseId) external onlyProxy returns (Settlement memory moved) {
        Lease memory signed = _leaseOf(leaseId);
        _requireTenant(leaseId);
        uint256 stop = _stopAtOnce(leaseId, signed);
        uint256 creditBps = _recentCreditBps(leaseId, signed);
        require(creditBps >= CAUSE_BPS, NoCause(leaseId, creditBps));
        _requireConsent(leaseId, stop);

        moved = signed.endedForTenant(stop);
        _end(leaseId, signed, Ending.EXITED, moved, stop, 0);
    }

    /// @inheritdoc ILeaseEdits
    function preempt(uint256 leaseId) external onlyProxy returns (Settlement memory moved) {
        Lease memory signed = _leaseOf(leaseId);
        uint256 capacity = _capacityOf(leaseId);
        address deedOwner = ERC721(address(CAPACITY)).ownerOf(capacity);
        require(msg.sender == deedOwner, NotDeedOwner(capacity, msg.sender));
        _requirePreemptible(leaseId, signed);
        uint256 stop = _stopAtOnce(leaseId, signed);

        moved = signed.endedForTenant(stop);
        _end(leaseId, signed, Ending.PREEMPTED, moved, stop, 0);
    }

    /// @notice Takes units that a new lease is missing from spot leases; see `leaseEvicting`.
    /// @dev The engine has no function of this name: only its own code gets here.
    /// @param request The new lease, checked but for free units.
    /// @param rent Its rent per unit and epoch.
    /// @param limit Units that can be leased.
    /// @param victims Spot leases of the same capacity, in the order in which they give.
    /// @return evicted Whether any had to.
    function evict(
        LeaseRequest calldata request,
        uint256 rent,
        uint256 limit,
        uint256[] calldata victims
    ) external onlyProxy returns (bool evicted) {
        uint256 earliest = _earliest(request.capacity);
        for (uint256 i; i < victims.length; ++i) {
            if (_evict(request, rent, limit, victims[i], earliest)) evicted = true;
        }
    }

    function _evict(
        LeaseRequest calldata request,
        uint256 rent,
        uint256 limit,
        uint256 leaseId,
        uint256 earliest
    ) internal returns (bool) {
        // Check
        Lease memory signed = _leaseOf(leaseId);
        uint256 capacity = request.capacity;
        require(_capacityOf(leaseId) == capacity, OtherCapacity(leaseId, capacity));
        _requirePreemptible(leaseId, signed);
        _requireNotLapsed(leaseId, signed, earliest);
        uint256 min = uint256(signed.rent).mulDivUp(EVICTION_BPS, BPS);
        require(rent >= min, BidTooLow(leaseId, rent, min));

        uint256 from = request.start.max(signed.start);
        uint256 used = _calendars[capacity].peak(from, request.end.min(signed.end));
        // No epoch in common, nothing left to take there; or more than is attested since then, where
        // nobody is let in.
        if (used == 0 || used > limit) return false;
        uint256 taken = (used + request.units).zeroFloorSub(limit).min(signed.units);
        // What is paid before the new lease starts stays; what is not paid was never sure.
        uint256 stop = request.start.min(signed.fundedTo).max(signed.start);
        if (taken == 0 || stop >= signed.end) return false;

        // Effect
        if (taken < signed.units) (leaseId, signed) = _splitUnits(leaseId, signed, taken);
        _end(leaseId, signed, Ending.EVICTED, signed.endedForTenant(stop), stop, 0);
        return true;
    }

    /// @dev The end of a lease that ends after the running epoch, or before it starts.
    function _stopAtOnce(
        uint256 leaseId,
        Lease memory signed
    ) internal view returns (uint256 stop) {
        uint256 earliest = _earliest(_capacityOf(leaseId));
        _requireNotLapsed(leaseId, signed, earliest);
        stop = earliest.max(signed.start);
        require(stop < signed.end, LeaseOver(leaseId, signed.end));
    }

    function _requirePreemptible(uint256 leaseId, Lease memory signed) internal view {
        (IComputeCapacity.Term memory term, ) = CAPACITY.termOf(_capacityOf(leaseId), signed.term);
        require(term.preemptible, NotPreemptible(leaseId));
    }

    /// @dev Sum of the credits of the lease's last ten settled epochs. Those before its first one
    /// count nothing, so that one bad epoch alone is no cause.
    function _recentCreditBps(
        uint256 leaseId,
        Lease memory signed
    ) internal view returns (uint256) {
        uint256 capacity = _capacityOf(leaseId);
        uint256 to = FixedPointMathLib.min(
            signed.fundedTo,
            _services[capacity].ledger.nextEpochOf()
        );
        uint256 from = to.zeroFloorSub(CAUSE_EPOCHS).max(signed.start);
        if (from >= to) return 0;
        return _creditSumBelow(capacity, to) - _creditSumBelow(capacity, from);
    }

    /// @dev Nobody takes the lease away from who may use it beyond its new end, but he himself.
    function _requireConsent(uint256 leaseId, uint256 stop) internal view {
        (address user, uint256 expires) = _userOf(leaseId);
        if (user == address(0) || user == msg.sender) return;
        uint256 stopsAt = _levelAt(_capacityOf(leaseId)).startOf(stop);
        require(expires < stopsAt, UserHolds(leaseId, user, expires));
    }

    /// @dev Ends the lease at `moved.end`, frees its units from `freedFrom` on, and books what moves.
    /// The bounty, part of what is forfeited, goes to the caller.
    function _end(
        uint256 leaseId,
        Lease memory signed,
        Ending ending,
        Settlement memory moved,
        uint256 freedFrom,
        uint256 bounty
    ) internal {
        // Effect
        uint256 capacity = _capacityOf(leaseId);
        uint256 rate = _rateOf(signed);
        (, address stablecoin) = CAPACITY.payeeOf(capacity);
        _calendars[capacity].release(freedFrom, signed.end, signed.units);
        _moveFunding(capacity, signed.fundedTo, moved.end, rate);

        uint256 collected = moved.due * rate;
        if (collected != 0) _intakes[capacity].paidIn += collected.toUint192();
        uint256 forfeited = moved.forfeited * rate;
        _forfeit(capacity, forfeited - bounty);
        _refund(capacity, stablecoin, msg.sender, bounty);
        uint256 refunded = moved.refunded * rate;
        _refund(capacity, stablecoin, _ownerOf(leaseId), refunded);

        if (moved.end == signed.start) {
            _removeUser(leaseId);
            delete _leases[leaseId];
            _burn(leaseId);
        } else {
            signed.end = uint32(moved.end); // below its end until now
            signed.fundedTo = uint32(moved.end);
            signed.depositEpochs = 0;
            _write(leaseId, signed);
            _endUse(leaseId, _levelAt(capacity).startOf(moved.end) - 1);
            emit MetadataUpdate(leaseId);
        }
        emit LeaseEnded(leaseId, ending, moved.end, collected, refunded, forfeited);

        // Interaction
        if (collected != 0) stablecoin.safeTransferFrom(msg.sender, address(this), collected);
    }

    /// @dev A forfeited deposit is the payee's. All epochs' rents together stay below 2^120, whatever
    /// happens; deposits could be forfeited again and again, so they stop far below what fits:
    /// settlement can never fail for their sake.
    function _forfeit(uint256 capacity, uint256 amount) internal {
        if (amount == 0) return;
        Ledger ledger = _services[capacity].ledger;
        uint256 earned = ledger.earnedOf() + amount;
        require(earned <= MAX_FORFEITED, Overdrawn(capacity, MAX_FORFEITED, earned));
        _services[capacity].ledger = ledgerOf(
            ledger.nextEpochOf(),
            ledger.rateOf(),
            earned,
            ledger.isInPenalty()
        );
    }

    // ------------------------------------------------------------------ refunds

    /// @dev Takes from what tenants paid in and keeps it for the account.
    function _refund(
        uint256 capacity,
        address stablecoin,
        address account,
        uint256 amount
    ) internal {
        if (amount == 0) return;
        uint256 paidIn = _intakes[capacity].paidIn - amount;
        _requireCovered(capacity, paidIn, _outflows[capacity]);
        _intakes[capacity].paidIn = paidIn.toUint192();
        _refunds[stablecoin][account] += amount;
        emit RefundCredited(stablecoin, account, amount);
    }

    /// @dev Puts the lease's credit so far into its holder's refund.
    function _setCreditAside(uint256 leaseId, Lease memory signed) internal {
        (uint256 amount, uint256 creditedTo) = _creditOf(leaseId, signed);
        signed.creditedTo = uint32(creditedTo); // at most the lease's end
        if (amount == 0) return;

        uint256 capacity = _capacityOf(leaseId);
        Outflow memory outflow = _outflows[capacity];
        outflow.creditsPaid += amount.toUint128();
        _pay(capacity, outflow);
        (, address stablecoin) = CAPACITY.payeeOf(capacity);
        address holder = _ownerOf(leaseId);
        _refunds[stablecoin][holder] += amount;
        emit CreditClaimed(leaseId, address(this), creditedTo, amount);
        emit RefundCredited(stablecoin, holder, amount);
    }

    // ------------------------------------------------------------------ splitting

    /// @inheritdoc ILeaseEdits
    function splitUnits(uint256 leaseId, uint256 units) external onlyProxy returns (uint256 part) {
        Lease memory signed = _editable(leaseId);
        require(units != 0 && units < signed.units, BadUnits(units, uint256(signed.units) - 1));
        (part, ) = _splitUnits(leaseId, signed, units);
    }

    /// @inheritdoc ILeaseEdits
    function splitAt(uint256 leaseId, uint256 epoch) external onlyProxy returns (uint256 part) {
        Lease memory signed = _editable(leaseId);
        uint256 min = uint256(signed.start) + 1;
        uint256 max = FixedPointMathLib.min(signed.fundedTo, uint256(signed.end) - 1);
        require(epoch >= min && epoch <= max, BadSplit(leaseId, epoch, min, max));

        _setCreditAside(leaseId, signed);
        Lease memory later = _copy(signed);
        // Epochs and deposits only get smaller.
        uint32 at = uint32(epoch);
        signed.end = at;
        signed.fundedTo = at;
        later.start = at;
        later.creditedTo = uint32(FixedPointMathLib.max(at, signed.creditedTo));
        signed.creditedTo = uint32(FixedPointMathLib.min(at, signed.creditedTo));
        signed.depositEpochs = _depositWithin(signed);
        later.depositEpochs = _depositWithin(later);
        part = _split(leaseId, signed, later, 0);
    }

    /// @inheritdoc ILeaseEdits
    function merge(uint256 leaseId, uint256 part) external onlyProxy {
        // Check
        Lease memory signed = _leaseOf(leaseId);
        Lease memory other = _leaseOf(part);
        _requireTenant(leaseId);
        _requireTenant(part);
        uint256 capacity = _capacityOf(leaseId);
        uint256 earliest = _earliest(capacity);
        _requireNotLapsed(leaseId, signed, earliest);
        require(_capacityOf(part) == capacity, NotMergeable(leaseId, part));
        _requireNotLapsed(part, other, earliest);
        _requireAlike(leaseId, signed, part, other);

        // Effect
        _setCreditAside(leaseId, signed);
        _setCreditAside(part, other);
        uint96 flags = _getExtraData(leaseId);
        if (signed.start == other.start) {
            _requireClaimsAlike(leaseId, part, signed);
            signed.units += other.units; // both lie in one calendar, below 2^15
            flags |= _getExtraData(part);
        } else {
            // What `part` owes for having evicted is its own first epoch, not that of the whole.
            bool owes = _getExtraData(part) == HAS_EVICTED && other.start >= earliest;
            require(!owes, NotMergeable(leaseId, part));
            _joinClaims(leaseId, part, other);
            signed.depositEpochs = _mergedDeposit(leaseId, signed, part, other);
            signed.end = other.end;
            signed.fundedTo = other.fundedTo;
            if (other.creditedTo > other.start) signed.creditedTo = other.creditedTo;
        }
        _write(leaseId, signed);
        _setExtraData(leaseId, flags);
        delete _leases[part];
        _removeUser(part);
        _burn(part);
        emit LeasesMerged(leaseId, part, signed);
        emit MetadataUpdate(leaseId);
    }

    /// @dev Two leases that differ in their units only, or in their epochs only and without a gap.
    function _requireAlike(
        uint256 leaseId,
        Lease memory signed,
        uint256 part,
        Lease memory other
    ) internal view {
        (address user, uint256 expires) = _userOf(leaseId);
        (address otherUser, uint256 otherExpires) = _userOf(part);
        bool alike =
            leaseId != part &&
                signed.rent == other.rent &&
                signed.term == other.term &&
                _ownerOf(leaseId) == _ownerOf(part) &&
                user == otherUser &&
                expires == otherExpires;
        bool beside =
            signed.start == other.start &&
                signed.end == other.end &&
                signed.fundedTo == other.fundedTo &&
                signed.depositEpochs == other.depositEpochs;
        bool after_ =
            signed.end == other.start &&
                signed.fundedTo == signed.end &&
                signed.units == other.units;
        require(alike && (beside || after_), NotMergeable(leaseId, part));
    }

    /// @dev What is held stays what it is. Where all is paid, the deposit of the whole is its parts',
    /// at most what the term asks: parts cannot be cut so small that they have none. The whole is no
    /// longer than the term allows: two short leases do not become one with half of their deposit.
    function _mergedDeposit(
        uint256 leaseId,
        Lease memory signed,
        uint256 part,
        Lease memory other
    ) internal view returns (uint16) {
        (IComputeCapacity.Term memory term, ) = CAPACITY.termOf(_capacityOf(leaseId), signed.term);
        require(other.end - signed.start <= term.maxEpochs, NotMergeable(leaseId, part));
        if (other.held() != 0) return other.depositEpochs;
        uint256 sum = uint256(signed.depositEpochs) + other.depositEpochs;
        return uint16(sum.min(term.depositEpochs));
    }

    /// @dev A lease that its holder, or who he approved, may change now.
    function _editable(uint256 leaseId) internal view returns (Lease memory signed) {
        signed = _leaseOf(leaseId);
        _requireTenant(leaseId);
        _requireNotLapsed(leaseId, signed, _earliest(_capacityOf(leaseId)));
    }

    function _depositWithin(Lease memory signed) internal pure returns (uint16) {
        return uint16(FixedPointMathLib.min(signed.depositEpochs, signed.end - signed.start));
    }

    function _splitUnits(
        uint256 leaseId,
        Lease memory signed,
        uint256 units
    ) internal returns (uint256 part, Lease memory split) {
        _setCreditAside(leaseId, signed);
        split = _copy(signed);
        split.units = uint16(units); // fewer than the lease's
        signed.units -= split.units;
        part = _split(leaseId, signed, split, _getExtraData(leaseId));
    }

    /// @dev Writes both parts. The calendar and the rent schedule are those of the whole.
    function _split(
        uint256 leaseId,
        Lease memory kept,
        Lease memory split,
        uint96 flags
    ) internal returns (uint256 part) {
        uint256 capacity = _capacityOf(leaseId);
        Intake memory intake = _intakes[capacity];
        part = _nextLeaseId(capacity, intake);
        _intakes[capacity] = intake;
        _write(leaseId, kept);
        _write(part, split);
        _mint(_ownerOf(leaseId), part);
        if (flags != 0) _setExtraData(part, flags);
        _inheritClaims(leaseId, part, split);
        emit LeaseSplit(leaseId, part, kept, split);
        emit MetadataUpdate(leaseId);
        (address user, uint256 expires) = _userOf(leaseId);
        if (user != address(0)) _grant(part, user, uint64(expires));
    }

    // ------------------------------------------------------------------ penalties claimed

    /// @dev Words of claims that a lease can have: only settled epochs have penalties.
    function _claimWords(
        uint256 capacity,
        Lease memory signed
    ) internal view returns (uint256 from, uint256 to) {
        uint256 settled = FixedPointMathLib.min(
            signed.end,
            _services[capacity].ledger.nextEpochOf()
        );
        from = signed.start / CLAIMS_PER_WORD;
        to = settled <= signed.start ? from : (settled - 1) / CLAIMS_PER_WORD + 1;
    }

    /// @dev What was claimed before a split, neither part claims again.
    function _inheritClaims(uint256 leaseId, uint256 part, Lease memory split) internal {
        (uint256 from, uint256 to) = _claimWords(_capacityOf(leaseId), split);
        for (uint256 word = from; word < to; ++word) {
            uint256 bits = _penaltyClaims[leaseId][word];
            if (bits != 0) _penaltyClaims[part][word] = bits;
        }
    }

    /// @dev Of two leases of the same epochs, both have claimed the same.
    function _requireClaimsAlike(uint256 leaseId, uint256 part, Lease memory signed) internal view {
        (uint256 from, uint256 to) = _claimWords(_capacityOf(leaseId), signed);
        for (uint256 word = from; word < to; ++word) {
            uint256 differing = _penaltyClaims[leaseId][word] ^ _penaltyClaims[part][word];
            require(differing & _claimMask(word, signed) == 0, NotMergeable(leaseId, part));
        }
    }

    /// @dev Epochs of the later lease are as it has claimed them, all others as the first has.
    function _joinClaims(uint256 leaseId, uint256 part, Lease memory later) internal {
        (uint256 from, uint256 to) = _claimWords(_capacityOf(leaseId), later);
        for (uint256 word = from; word < to; ++word) {
            uint256 bits = _penaltyClaims[leaseId][word];
            uint256 differing = bits ^ _penaltyClaims[part][word];
            _penaltyClaims[leaseId][word] = bits ^ (differing & _claimMask(word, later));
        }
    }

    /// @dev The epochs of a lease in a word of claims. The others in it say nothing: a part inherits
    /// whole words.
    function _claimMask(uint256 word, Lease memory signed) internal pure returns (uint256 mask) {
        uint256 base = word * CLAIMS_PER_WORD;
        mask = type(uint256).max;
        if (signed.start > base) mask <<= signed.start - base;
        if (signed.end < base + CLAIMS_PER_WORD) mask &= (uint256(1) << (signed.end - base)) - 1;
    }

    function _copy(Lease memory signed) internal pure returns (Lease memory) {
        return
            Lease({
                start: signed.start,
                end: signed.end,
                fundedTo: signed.fundedTo,
                creditedTo: signed.creditedTo,
                units: signed.units,
                term: signed.term,
                depositEpochs: signed.depositEpochs,
                rent: signed.rent
            });
    }

    // ------------------------------------------------------------------ using

    /// @inheritdoc ILeaseEdits
    function setUser(uint256 tokenId, address user, uint64 expires) external onlyProxy {
        _leaseOf(tokenId);
        _requireTenant(tokenId);
        require(user != address(0) && user != address(this), BadReceiver(user));
        require(expires > block.timestamp, BadExpiry(expires));
        (address holding, uint256 until) = _userOf(tokenId);
        require(holding == address(0), UserHolds(tokenId, holding, until));
        _grant(tokenId, user, expires);
        emit MetadataUpdate(tokenId);
    }

    /// @inheritdoc ILeaseEdits
    function renounceUser(uint256 leaseId) external onlyProxy {
        _leaseOf(leaseId);
        (address user, ) = _userOf(leaseId);
        require(user == msg.sender, NotUser(leaseId, msg.sender));
        _removeUser(leaseId);
        emit MetadataUpdate(leaseId);
    }

    function _grant(uint256 leaseId, address user, uint64 expires) internal {
        _uses[leaseId] = Use({user: user, expires: expires});
        emit UpdateUser(leaseId, user, expires);
    }

    /// @dev The use ends with the lease and no sooner: else a holder could take it away by evicting
    /// himself at some later epoch.
    /// @param last The lease's last second, not before `origin` − 1.
    function _endUse(uint256 leaseId, uint256 last) internal {
        Use memory use = _uses[leaseId];
        if (use.expires <= last) return;
        if (last < block.timestamp) _removeUser(leaseId);
        else _grant(leaseId, use.user, uint64(last)); // below `expires`
    }

    function _removeUser(uint256 leaseId) internal {
        if (_uses[leaseId].user == address(0)) return;
        delete _uses[leaseId];
        emit UpdateUser(leaseId, address(0), 0);
    }

    /// @dev The engine answers for its tokens; this code is none.
    function tokenURI(uint256 leaseId) public pure override returns (string memory) {
        revert UnknownLease(leaseId);
    }
}
